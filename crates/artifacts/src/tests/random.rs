//! Random sequences of operations, compared after each step with a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hypha_storage::{Entry, Prefix};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;

const RUNS: u64 = 12;
const STEPS: usize = 80;
const ALIASES: [&str; 3] = ["x", "y", "z"];
const PATHS: [&str; 5] = ["a", "b", "d/a", "d/b", "d/e/f"];

type Files = BTreeMap<&'static str, String>;

#[derive(Clone, Default)]
struct Draft {
    is_new: bool,
    inherits: bool,
    manifest: i64,
    /// `Some(None)`: announced; `None` outside: to be removed.
    changes: BTreeMap<&'static str, Option<Option<String>>>,
    /// Staged files whose bytes are those of a version: they came with a copy.
    copied: BTreeSet<&'static str>,
}

#[derive(Clone, Default)]
struct Model {
    versions: Vec<(String, i64, Files)>,
    draft: Option<Draft>,
    manifest: i64,
}

impl Model {
    fn latest(&self) -> Files {
        self.versions
            .last()
            .map(|version| version.2.clone())
            .unwrap_or_default()
    }

    fn base(&self, draft: &Draft) -> Files {
        let starts_empty = draft.is_new && !draft.inherits;
        if starts_empty { Files::new() } else { self.latest() }
    }

    /// What the draft shows.
    fn view(&self) -> Files {
        let Some(draft) = &self.draft else {
            return self.latest();
        };
        let mut files = self.base(draft);
        for (path, change) in &draft.changes {
            files.remove(path);
            if let Some(Some(content)) = change {
                files.insert(path, content.clone());
            }
        }
        files
    }

    fn is_pending(&self) -> bool {
        self.draft
            .as_ref()
            .is_some_and(|draft| draft.changes.values().any(|change| *change == Some(None)))
    }

    fn commit(&mut self) {
        let files = self.view();
        let Some(draft) = self.draft.take() else { return };
        self.manifest = draft.manifest;
        if draft.is_new || self.versions.is_empty() {
            let free = |n: &usize| !self.versions.iter().any(|version| version.0 == format!("v{n}"));
            let n = (self.versions.len()..).find(free).unwrap();
            self.versions.push((format!("v{n}"), draft.manifest, files));
        } else if let Some(latest) = self.versions.last_mut() {
            latest.1 = draft.manifest;
            latest.2 = files;
        }
    }

    fn open_draft(&mut self) -> &mut Draft {
        let fresh = Draft {
            is_new: self.versions.is_empty(),
            inherits: true,
            manifest: self.manifest,
            ..Draft::default()
        };
        self.draft.get_or_insert(fresh)
    }
}

#[tokio::test]
async fn random_sequences_do_what_the_model_does() {
    let seed = std::env::var("HYPHA_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let first: u64 = seed.unwrap_or_else(|| rand::rng().random());
    for run in 0..if seed.is_some() { 1 } else { RUNS } {
        follow(in_memory().await, first.wrapping_add(run)).await;
    }
}

/// One sequence. Its seed is printed, so that it can be tried again.
pub(super) async fn follow(artifacts: Artifacts, seed: u64) {
    println!("HYPHA_TEST_SEED={seed}");
    let mut world = World {
        artifacts,
        models: BTreeMap::new(),
        rng: StdRng::seed_from_u64(seed),
        counter: 0,
    };
    for _ in 0..STEPS {
        let said = world.step().await;
        println!("{said}");
        world.compare().await;
    }
}

struct World {
    artifacts: Artifacts,
    models: BTreeMap<&'static str, Model>,
    rng: StdRng,
    counter: i64,
}

impl World {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.rng).unwrap()
    }

    async fn step(&mut self) -> String {
        self.counter += 1;
        let (who, n) = (admin(), self.counter);
        let alias = self.pick(&ALIASES);
        let manifest = Some(object(json!({"n": n})));
        let Some(mut model) = self.models.get(alias).cloned() else {
            let stage = self.rng.random::<bool>();
            let request = Create {
                manifest,
                ..new(alias, stage)
            };
            self.artifacts.create(&who, request).await.unwrap();
            let mut model = Model {
                manifest: n,
                ..Model::default()
            };
            match stage {
                true => _ = model.open_draft(),
                false => model.versions.push(("v0".into(), n, Files::new())),
            }
            self.models.insert(alias, model);
            return format!("create {alias} stage={stage}");
        };
        let said = match self.rng.random_range(0..100) {
            0..15 => {
                let (is_new, inherits) = (self.rng.random::<bool>(), self.rng.random_bool(0.8));
                let request = Edit {
                    manifest,
                    version: is_new.then(|| "new".to_owned()),
                    inherit_files: Some(inherits),
                    stage: true,
                    ..Edit::default()
                };
                self.artifacts.edit(&who, alias, request).await.unwrap();
                let draft = model.open_draft();
                draft.is_new |= is_new;
                draft.inherits = inherits;
                draft.manifest = n;
                format!("stage {alias} new={is_new} inherits={inherits}")
            }
            15..45 => {
                let path = self.pick(&PATHS);
                let content = format!("{n}");
                let written = self
                    .artifacts
                    .write_file(&who, alias, path, Bytes::from(content.clone()))
                    .await;
                assert_eq!(written.is_ok(), model.draft.is_some());
                if let Some(draft) = &mut model.draft {
                    draft.changes.insert(path, Some(Some(content)));
                    draft.copied.remove(path);
                }
                format!("write {alias} {path}")
            }
            45..52 => {
                let path = self.pick(&PATHS);
                let staged = self
                    .artifacts
                    .stage_files(&who, alias, &[(path.to_owned(), 0.0)])
                    .await;
                assert_eq!(staged.is_ok(), model.draft.is_some());
                if let Some(draft) = &mut model.draft {
                    let copied = draft.copied.remove(path);
                    let entry = draft.changes.entry(path).or_insert(Some(None));
                    if entry.is_none() || copied {
                        *entry = Some(None);
                    }
                }
                format!("announce {alias} {path}")
            }
            52..64 => {
                let path = self.pick(&PATHS);
                let removed = self.artifacts.remove_file(&who, alias, path).await;
                if let Some(mut draft) = model.draft.take() {
                    let base = model.base(&draft).contains_key(path);
                    let change = draft.changes.get(path);
                    let is_there = change.map_or(base, Option::is_some);
                    assert_eq!(removed.is_ok(), is_there, "{alias} {path}");
                    if is_there {
                        draft.changes.remove(path);
                        draft.copied.remove(path);
                        if base {
                            draft.changes.insert(path, None);
                        }
                    }
                    model.draft = Some(draft);
                } else {
                    assert!(removed.is_err());
                }
                format!("remove {alias} {path}")
            }
            64..80 => {
                let committed = self.artifacts.commit(&who, alias, None, None).await;
                let may = model.draft.is_some() && !model.is_pending();
                assert_eq!(committed.is_ok(), may, "{committed:?}");
                if may {
                    model.commit();
                }
                format!("commit {alias} {may}")
            }
            80..86 => {
                let discarded = self.artifacts.discard(&who, alias).await;
                assert_eq!(discarded.is_ok(), model.draft.take().is_some());
                format!("discard {alias}")
            }
            86..90 => {
                let index = self.rng.random_range(0..3);
                let deleted = self
                    .artifacts
                    .delete_version(&who, alias, &Selector::Index(index))
                    .await;
                assert_eq!(deleted.is_ok(), index < model.versions.len());
                if deleted.is_ok() {
                    model.versions.remove(index);
                    if let Some(latest) = model.versions.last().filter(|_| index == model.versions.len()) {
                        model.manifest = latest.1;
                    }
                }
                format!("delete version {index} of {alias}")
            }
            90..93 => {
                self.artifacts.delete(&who, alias, false).await.unwrap();
                self.models.remove(alias);
                return format!("delete {alias}");
            }
            _ => return self.duplicate(alias, &model).await,
        };
        self.models.insert(alias, model);
        said
    }

    async fn duplicate(&mut self, alias: &'static str, source: &Model) -> String {
        let target = self.pick(&ALIASES);
        let stage = self.rng.random::<bool>();
        let request = Duplicate {
            alias: Some(target.into()),
            overwrite: true,
            stage,
            ..Duplicate::default()
        };
        let done = self.artifacts.duplicate(&admin(), alias, request).await;
        let may = !source.versions.is_empty() && target != alias;
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may {
            let manifest = source.manifest;
            let mut copy = Model {
                manifest,
                ..Model::default()
            };
            if stage {
                let files = source.latest();
                let draft = copy.open_draft();
                draft.copied = files.keys().copied().collect();
                draft.changes = files
                    .into_iter()
                    .map(|(path, content)| (path, Some(Some(content))))
                    .collect();
            } else {
                copy.versions.push(("v0".into(), manifest, source.latest()));
            }
            self.models.insert(target, copy);
        }
        format!("duplicate {alias} {target} stage={stage}")
    }

    async fn compare(&self) {
        let who = admin();
        self.artifacts.collect_garbage().await.unwrap();
        for alias in ALIASES {
            let read = self
                .artifacts
                .read_artifact(&who, alias, &Selector::Latest, true)
                .await;
            let Some(model) = self.models.get(alias) else {
                assert!(read.is_err());
                continue;
            };
            let read = read.unwrap();
            let found: Vec<&str> = read["versions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|version| version["version"].as_str().unwrap())
                .collect();
            let names: Vec<&str> = model.versions.iter().map(|version| version.0.as_str()).collect();
            assert_eq!(found, names);
            assert_eq!(read["file_count"], json!(model.latest().len()));
            for (index, (_, manifest, files)) in model.versions.iter().enumerate() {
                let selector = Selector::Index(index);
                let read = self
                    .artifacts
                    .read_artifact(&who, alias, &selector, true)
                    .await
                    .unwrap();
                assert_eq!(read["manifest"]["n"], json!(manifest));
                assert_eq!(
                    self.files(alias, &selector).await,
                    *files,
                    "{alias} version {index}"
                );
            }
            assert_eq!(
                self.files(alias, &Selector::Stage).await,
                model.view(),
                "{alias} staged"
            );
            let staged = self.artifacts.get_status(&who, alias).await.unwrap();
            assert_eq!(staged["staged"], json!(model.draft.is_some()));
        }
        self.compare_store().await;
    }

    /// All files of a version, by reading and by listing.
    async fn files(&self, alias: &str, selector: &Selector) -> Files {
        let mut files = Files::new();
        for path in PATHS {
            let Ok(file) = self
                .artifacts
                .open_file(&admin(), alias, path, selector, true)
                .await
            else {
                continue;
            };
            let mut stream = file.object.read(0..file.object.meta().size).await.unwrap();
            let mut content = BytesMut::new();
            while let Some(piece) = stream.next().await {
                content.extend_from_slice(&piece.unwrap());
            }
            files.insert(path, String::from_utf8(content.to_vec()).unwrap());
        }
        let mut listed = BTreeSet::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let page = Page {
                offset: 0,
                limit: 100,
                include_pending: false,
            };
            for line in self
                .artifacts
                .list_files(&admin(), alias, &folder, selector, page)
                .await
                .unwrap()
            {
                let name = format!("{folder}{}", line["name"].as_str().unwrap());
                match line["type"] == "file" {
                    true => _ = listed.insert(name),
                    false => folders.push(format!("{name}/")),
                }
            }
        }
        assert!(
            files.keys().copied().eq(listed.iter().map(String::as_str)),
            "{listed:?}"
        );
        files
    }

    /// Nothing is in the store that nobody needs: one object for each different content.
    async fn compare_store(&self) {
        let storage = self.artifacts.content().storage();
        let listing = storage.list(&Prefix::root(), false, None, 10_000).await.unwrap();
        let stored = listing
            .entries
            .iter()
            .filter(|entry| matches!(entry, Entry::File { .. }))
            .count();
        let mut needed = BTreeSet::new();
        for model in self.models.values() {
            needed.extend(
                model
                    .versions
                    .iter()
                    .flat_map(|version| version.2.values().cloned()),
            );
            let changes = model.draft.iter().flat_map(|draft| draft.changes.values());
            needed.extend(changes.flatten().flatten().cloned());
        }
        assert_eq!(stored, needed.len());
    }
}
