//! Opening a page for the person at the machine.

use std::io::{IsTerminal, stderr};

/// Opens a page if somebody sits at a desktop here; otherwise, and if it fails, nothing happens. The address must have
/// been printed.
pub(super) fn open(page: &str) {
    let is_web = page.starts_with("http://") || page.starts_with("https://");
    if is_web && stderr().is_terminal() && has_desktop() {
        // Printing the address was the floor; this is a convenience.
        let _ = open::that_detached(page);
    }
}

/// Without one, the opener would start a browser for terminals in the middle of the output.
fn has_desktop() -> bool {
    cfg!(any(target_os = "macos", windows))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
