//! Lists of artifacts: of a collection, of a workspace, by filters.

use serde_json::{Map, Value as Json, json};
use sqlx::{AnyConnection, Row};

use crate::error::{Error, Result};
use crate::manager::{Artifacts, may, may_see_drafts};
use crate::model::{Artifact, Object, Whole};
use crate::permissions::{Actor, Operation};
use crate::query::{Filters, all, any, order};
use crate::records;
use crate::sql::Sql;
use crate::versions::count;
use hypha_hub::auth::Permission;

/// Most artifacts of one answer.
const MAX_LIMIT: u64 = 1000;
/// Rows that are looked at in one go for callers who may not see all.
const BATCH: u64 = 200;

/// Which artifacts to list, by what is committed and staged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageFilter {
    /// With a committed version.
    #[default]
    Committed,
    /// With staged changes.
    Staged,
    /// All.
    All,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The workspace to search; the caller's by default.
    pub workspace: Option<String>,
    /// A collection, whose children are listed.
    pub parent_id: Option<String>,
    /// Without a parent: only artifacts that are in no collection.
    pub roots_only: bool,
    /// Each has to occur in the manifest.
    pub keywords: Vec<String>,
    /// Conditions by field.
    pub filters: Object,
    /// One condition is enough.
    pub any: bool,
    /// Artifacts to leave out.
    pub offset: u64,
    /// Most artifacts.
    pub limit: u64,
    /// Field, with `<` or `>` at its end.
    pub order_by: Option<String>,
    /// Return a map with the total.
    pub pagination: bool,
    /// Drafts and committed ones.
    pub stage: StageFilter,
    /// Count no view of the collection.
    pub silent: bool,
}

impl Artifacts {
    /// Lists artifacts.
    ///
    /// # Errors
    /// No such collection, a wrong filter, not permitted.
    pub async fn search(&self, actor: &Actor, mut search: Search) -> Result<Json> {
        if !(1..=MAX_LIMIT).contains(&search.limit) {
            return Err(Error::value(format!("limit must be between 1 and {MAX_LIMIT}")));
        }
        if search.order_by.as_deref().is_some_and(|by| by.contains("_count")) {
            self.flush_counters().await?;
        }
        let mut connection = self.read().await?;
        take_filters(&mut search)?;
        let parent = match &search.parent_id {
            Some(id) => Some(self.find_for(&mut connection, actor, id, Operation::List).await?),
            None => None,
        };
        let workspace = search.workspace.as_deref().unwrap_or(&actor.workspace).to_owned();
        let mut sql = Sql::new(self.database().dialect());
        let condition = condition(&mut sql, actor, &search, parent.as_ref(), &workspace)?;
        let sees_all = match &parent {
            Some(parent) => search.stage == StageFilter::Committed || may_see_drafts(actor, parent),
            None => actor.may(&workspace, Permission::Read),
        };
        let total_sql = sql.clone();
        let order = order(&mut sql, search.order_by.as_deref())?;
        let statement = format!("{} WHERE {condition} ORDER BY {order}", records::SELECT);
        let (artifacts, total) = if sees_all {
            let artifacts = fetch(&mut connection, &sql, &statement, search.limit, search.offset).await?;
            let total = match search.pagination {
                true => Some(self.total(&mut connection, &total_sql, &condition).await?),
                false => None,
            };
            (artifacts, total)
        } else {
            visible(&mut connection, actor, &sql, &statement, &search).await?
        };
        let items = self
            .items(&mut connection, actor, artifacts, parent.as_ref())
            .await?;
        if let (Some(parent), false) = (&parent, search.silent) {
            self.counters().view(&parent.id);
        }
        Ok(match search.pagination {
            true => json!({
                "items": items,
                "total": count(total.unwrap_or_default()),
                "offset": search.offset,
                "limit": search.limit,
            }),
            false => Json::Array(items),
        })
    }

    async fn total(&self, connection: &mut AnyConnection, sql: &Sql, condition: &str) -> Result<i64> {
        let statement = format!("SELECT count(*) AS total FROM artifacts a WHERE {condition}");
        Ok(sql
            .query(statement)
            .fetch_one(connection)
            .await?
            .try_get("total")?)
    }

    /// The shapes on the wire.
    async fn items(
        &self,
        connection: &mut AnyConnection,
        actor: &Actor,
        mut artifacts: Vec<Artifact>,
        parent: Option<&Artifact>,
    ) -> Result<Vec<Json>> {
        for artifact in &mut artifacts {
            self.counters().add_to(artifact);
        }
        let fields = parent
            .and_then(|parent| parent.config.get("list_fields"))
            .and_then(Json::as_array);
        let whole = records::whole(connection, artifacts).await?;
        let items = whole
            .into_iter()
            .map(|whole| item(actor, whole, parent.is_some(), fields));
        Ok(items.collect())
    }
}

/// Takes out of the filters what is not a condition of its own.
fn take_filters(search: &mut Search) -> Result<()> {
    match search.filters.remove("version") {
        None | Some(Json::Null) => {}
        Some(Json::String(version)) => match version.as_str() {
            "stage" => search.stage = StageFilter::Staged,
            "latest" | "committed" => search.stage = StageFilter::Committed,
            _ => {
                return Err(Error::value(
                    "filters.version must be 'stage', 'latest' or 'committed'",
                ));
            }
        },
        Some(_) => {
            return Err(Error::value(
                "filters.version must be 'stage', 'latest' or 'committed'",
            ));
        }
    }
    match search.filters.remove("parent_id") {
        None => {}
        Some(Json::Null) if search.parent_id.is_none() => search.roots_only = true,
        Some(Json::Null) => {}
        Some(Json::String(parent)) => search.parent_id = Some(parent),
        Some(_) => {
            return Err(Error::value(
                "filters.parent_id must be null or the id of an artifact",
            ));
        }
    }
    Ok(())
}

fn condition(
    sql: &mut Sql,
    actor: &Actor,
    search: &Search,
    parent: Option<&Artifact>,
    workspace: &str,
) -> Result<String> {
    let mut fixed = Vec::new();
    match parent {
        Some(parent) => fixed.push(format!("a.parent = {}", sql.bind(parent.id.as_str()))),
        None => fixed.push(format!("a.workspace = {}", sql.bind(workspace))),
    }
    if parent.is_none() && search.roots_only {
        fixed.push("a.parent IS NULL".into());
    }
    let staged = "EXISTS (SELECT 1 FROM staging s WHERE s.artifact = a.id)";
    match search.stage {
        StageFilter::Committed => fixed.push("a.version_count > 0".into()),
        StageFilter::Staged => fixed.push(staged.into()),
        StageFilter::All => fixed.push(any(&["a.version_count > 0".to_owned(), staged.to_owned()])),
    }
    let mut filters = search.filters.clone();
    if let Some(parent) = parent {
        fixed.extend(inbox(sql, actor, parent, &mut filters)?);
    }
    let mut asked = Filters::new(sql);
    let mut conditions = asked.keywords(&search.keywords)?;
    conditions.extend(asked.filters(&filters)?);
    if !conditions.is_empty() {
        fixed.push(if search.any {
            any(&conditions)
        } else {
            all(&conditions)
        });
    }
    Ok(all(&fixed))
}

/// In an inbox, everybody but its keepers sees what is addressed to them.
fn inbox(sql: &mut Sql, actor: &Actor, parent: &Artifact, filters: &mut Object) -> Result<Option<String>> {
    let field = parent.config.get("recipient_field").and_then(Json::as_str);
    let is_private = parent.config.get("private_children") == Some(&Json::Bool(true));
    let (true, Some(field)) = (is_private && !actor.is_admin_of(&parent.workspace), field) else {
        return Ok(None);
    };
    if let Some(Json::Object(manifest)) = filters.get_mut("manifest") {
        manifest.remove(field);
    }
    let email = actor.user.email.as_deref().filter(|email| !email.is_empty());
    let Some(email) = email else {
        return Ok(Some("1 = 0".to_owned()));
    };
    let text = sql.json_text("a.manifest", field)?;
    let place = sql.bind(email.to_lowercase());
    Ok(Some(format!("lower({text}) = {place}")))
}

async fn fetch(
    connection: &mut AnyConnection,
    sql: &Sql,
    statement: &str,
    limit: u64,
    offset: u64,
) -> Result<Vec<Artifact>> {
    let mut sql = sql.clone();
    let limit = sql.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let offset = sql.bind(i64::try_from(offset).unwrap_or(i64::MAX));
    let rows = sql
        .query(format!("{statement} LIMIT {limit} OFFSET {offset}"))
        .fetch_all(connection)
        .await?;
    rows.iter().map(records::artifact).collect()
}

/// The page of those that the caller may see, and with pagination how many those are.
async fn visible(
    connection: &mut AnyConnection,
    actor: &Actor,
    sql: &Sql,
    statement: &str,
    search: &Search,
) -> Result<(Vec<Artifact>, Option<i64>)> {
    let (mut page, mut seen, mut at) = (Vec::new(), 0u64, 0);
    loop {
        let batch = fetch(connection, sql, statement, BATCH, at).await?;
        let is_last = (batch.len() as u64) < BATCH;
        at += BATCH;
        for artifact in batch {
            if !is_visible(actor, &artifact) {
                continue;
            }
            if seen >= search.offset && (page.len() as u64) < search.limit {
                page.push(artifact);
            }
            seen += 1;
        }
        let is_full = page.len() as u64 >= search.limit && !search.pagination;
        if is_last || is_full {
            return Ok((
                page,
                search.pagination.then(|| i64::try_from(seen).unwrap_or(i64::MAX)),
            ));
        }
    }
}

/// Whether a caller who may not see everything sees this one.
fn is_visible(actor: &Actor, artifact: &Artifact) -> bool {
    let readable = may(actor, artifact, Operation::List) || may(actor, artifact, Operation::Read);
    readable && (artifact.version_count > 0 || may_see_drafts(actor, artifact))
}

fn item(actor: &Actor, mut whole: Whole, has_parent: bool, fields: Option<&Vec<Json>>) -> Json {
    if !may_see_drafts(actor, &whole.artifact) {
        whole.staging = None;
    }
    let parent = whole.artifact.parent.as_ref().map(|parent| parent.id.clone());
    let mut json = whole.to_json();
    if !has_parent {
        // As the original shows it where no parent was asked for.
        json["parent_id"] = parent.into();
    }
    let (Some(fields), Json::Object(all)) = (fields, &json) else {
        return json;
    };
    let named = |name: &str| fields.iter().any(|field| field.as_str() == Some(name));
    let kept: Map<String, Json> = all
        .iter()
        .filter(|(key, _)| named(key) || matches!(key.as_str(), "id" | "_id"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Json::Object(kept)
}
