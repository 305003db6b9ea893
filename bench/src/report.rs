//! What was measured, beside what is wanted: as a table on the terminal, as JSON and as Markdown.

use anyhow::{Context, Result};
use serde::Serialize;

/// What stands before the table on a page.
const BEGIN: &str = "<!-- bench: begin -->";
/// What stands behind it.
const END: &str = "<!-- bench: end -->";

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// At least this many times better than the reference.
    TimesBetter(f64),
    /// At most this many times the reference.
    AtMostTimes(f64),
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// Nothing; it is told for information.
    Told,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    /// A smaller number.
    Lower,
    /// A larger number.
    Higher,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// Unit of both numbers.
    pub(crate) unit: &'static str,
    /// Our number.
    pub(crate) ours: f64,
    /// Whose number is beside it.
    pub(crate) against: &'static str,
    /// Its number; `None` if it was not measured.
    pub(crate) reference: Option<f64>,
    /// Which way is better.
    pub(crate) better: Better,
    /// What is wanted.
    pub(crate) goal: Goal,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// When, in UTC.
    pub(crate) date: String,
    /// What produced it.
    pub(crate) command: String,
    /// Number of cores and their model.
    pub(crate) machine: String,
    /// What was compared.
    pub(crate) versions: Vec<String>,
    /// The lines.
    pub(crate) figures: Vec<Figure>,
}

impl Figure {
    /// How many times better than the reference (or, for [`Goal::AtMostTimes`], how many times the reference).
    pub(crate) fn ratio(&self) -> Option<f64> {
        let reference = self.reference.filter(|reference| *reference > 0.0)?;
        let share = self.ours / reference;
        match (self.goal, self.better) {
            (Goal::AtMostTimes(_), _) | (_, Better::Higher) => Some(share),
            _ if self.ours > 0.0 => Some(1.0 / share),
            _ => None,
        }
    }

    /// Whether the goal is reached; `None` if there is none or it cannot be said.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::TimesBetter(goal) => self.ratio().map(|ratio| ratio >= goal),
            Goal::AtMostTimes(goal) => self.ratio().map(|ratio| ratio <= goal),
            Goal::AtMost(goal) => Some(self.ours <= goal),
            Goal::Told => None,
        }
    }

    fn wanted(&self) -> String {
        match self.goal {
            Goal::TimesBetter(goal) => format!("{goal}x better"),
            Goal::AtMostTimes(goal) => format!("{goal}x or less"),
            Goal::AtMost(goal) => format!("{goal} {} or less", self.unit),
            Goal::Told => "-".to_owned(),
        }
    }

    fn cells(&self) -> [String; 7] {
        let reached = match self.reached() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        [
            self.name.clone(),
            format!("{} {}", number(self.ours), self.unit),
            self.against.to_owned(),
            self.reference
                .map_or("-".to_owned(), |value| format!("{} {}", number(value), self.unit)),
            self.ratio()
                .map_or("-".to_owned(), |ratio| format!("{}x", number(ratio))),
            self.wanted(),
            reached.to_owned(),
        ]
    }
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

impl Report {
    /// `page` with the table between its markers.
    ///
    /// # Errors
    /// If the markers are not there.
    pub(crate) fn inserted(&self, page: &str) -> Result<String> {
        let (before, rest) = page.split_once(BEGIN).context("no begin marker on the page")?;
        let (_, after) = rest.split_once(END).context("no end marker on the page")?;
        Ok(format!("{before}{BEGIN}\n{}{END}{after}", self.markdown()))
    }

    /// The table with the facts above it.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!(
            "`{}`, {}, {}. {}.\n\n",
            self.command,
            self.date,
            self.machine,
            self.versions.join("; ")
        );
        out += "| figure | ours | against | theirs | ratio | wanted | reached |\n";
        out += "|---|---:|---|---:|---:|---|---|\n";
        for figure in &self.figures {
            out += &format!("| {} |\n", figure.cells().join(" | "));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64, better: Better, goal: Goal) -> Figure {
        Figure {
            name: "f".to_owned(),
            unit: "us",
            ours,
            against: "original",
            reference: Some(60.0),
            better,
            goal,
        }
    }

    #[test]
    fn ratios_say_how_many_times_better() {
        assert_eq!(
            figure(2.0, Better::Lower, Goal::TimesBetter(30.0)).reached(),
            Some(true)
        );
        assert_eq!(
            figure(3.0, Better::Lower, Goal::TimesBetter(30.0)).reached(),
            Some(false)
        );
        assert_eq!(
            figure(1800.0, Better::Higher, Goal::TimesBetter(30.0)).reached(),
            Some(true)
        );
        assert_eq!(
            figure(90.0, Better::Lower, Goal::AtMostTimes(1.4)).reached(),
            Some(false)
        );
        assert_eq!(
            figure(90.0, Better::Lower, Goal::AtMost(100.0)).reached(),
            Some(true)
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(0.4567), "0.457");
        assert_eq!(number(12.345), "12.3");
    }
}
