//! Where code may look: in each crate no files import each other in a circle, and each folder of `i405-rt` imports only those
//! before it. What stands under `#[cfg(test)]` may look around in its own folder and in those before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// The folders of `i405-rt`, each before those that may import it. `fuzzing` opens the inside to `i405-fuzz`.
const FOLDERS: [&str; 9] = ["platform", "realtime", "rings", "host", "send", "receive", "report", "tunnel", "fuzzing"];

/// Lines of the longest file: what is longer has two subjects.
const MOST_LINES: usize = 400;

/// A module's path within its crate; the root is empty.
type Module = Vec<String>;

/// One file's imports of other modules of its crate, as they are written but absolute.
#[derive(Default)]
struct Imports {
    product: BTreeSet<Module>,
    tests: BTreeSet<Module>,
}

/// Walks through a file.
struct Reader<'a> {
    /// Where the walk is: the file's module, and modules inside of the file.
    at: Module,
    /// All modules of the crate that are files.
    files: &'a BTreeSet<Module>,
    in_test: bool,
    found: Imports,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

impl Reader<'_> {
    /// The absolute path of what `path` names; None if that is no module of this crate.
    fn resolve(&self, path: &[String]) -> Option<Module> {
        let mut base = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => self.at.clone(),
            "super" => self.at.split_last()?.1.to_vec(),
            child => {
                let child: Module = self.at.iter().cloned().chain([child.to_owned()]).collect();
                return self
                    .files
                    .contains(&child)
                    .then(|| child.into_iter().chain(path[1..].iter().cloned()).collect());
            }
        };
        for segment in &path[1..] {
            if segment == "super" {
                base.pop()?;
            } else {
                base.push(segment.clone());
            }
        }
        Some(base)
    }

    fn add(&mut self, path: &[String]) {
        if let Some(found) = self.resolve(path) {
            if self.in_test { &mut self.found.tests } else { &mut self.found.product }.insert(found);
        }
    }

    fn add_tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(&path.tree, before);
                before.pop();
            }
            UseTree::Name(name) => self.add_name(name.ident.to_string(), before),
            UseTree::Rename(name) => self.add_name(name.ident.to_string(), before),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
        }
    }

    fn add_name(&mut self, name: String, before: &[String]) {
        if name == "self" {
            self.add(before);
        } else {
            let path: Vec<String> = before.iter().cloned().chain([name]).collect();
            self.add(&path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            _ => &[],
        };
        let before = self.in_test;
        self.in_test |= is_test(attributes);
        visit::visit_item(self, item);
        self.in_test = before;
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            self.at.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.at.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if ["crate", "self", "super"].contains(&segments[0].as_str()) && segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }
}

/// The module that a file is.
fn module_of(file: &Path, root: &Path) -> Module {
    let within = file.strip_prefix(root).expect("a file of the crate").with_extension("");
    let mut module: Module = within.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Which files each file of a crate imports, in the product and in its tests.
struct Crate {
    product: BTreeMap<Module, BTreeSet<Module>>,
    tests: BTreeMap<Module, BTreeSet<Module>>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut paths = Vec::new();
        rust_files(root, &mut paths);
        let sources = paths.iter().map(|path| {
            (
                module_of(path, root),
                fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            )
        });
        Crate::of(sources.collect())
    }

    fn of(sources: BTreeMap<Module, String>) -> Self {
        let files: BTreeSet<Module> = sources.keys().cloned().collect();
        let (mut product, mut tests) = (BTreeMap::new(), BTreeMap::new());
        for (module, source) in &sources {
            let syntax = syn::parse_file(source).unwrap_or_else(|error| panic!("{module:?}: {error}"));
            // A file of tests is one of its parent's `#[cfg(test)] mod tests;`.
            let in_test = module.last().is_some_and(|name| name == "tests");
            let mut reader = Reader { at: module.clone(), files: &files, in_test, found: Imports::default() };
            reader.visit_file(&syntax);
            let to_files = |imports: BTreeSet<Module>| -> BTreeSet<Module> {
                let longest =
                    |path: &Module| (0..=path.len()).rev().map(|n| path[..n].to_vec()).find(|n| files.contains(n));
                imports.iter().filter_map(longest).filter(|file| file != module).collect()
            };
            product.insert(module.clone(), to_files(reader.found.product));
            tests.insert(module.clone(), to_files(reader.found.tests));
        }
        Crate { product, tests }
    }

    /// One circle, if there is any: files that import each other, in order.
    fn circle(&self) -> Option<Vec<Module>> {
        let mut done = BTreeSet::new();
        self.product.keys().find_map(|start| self.circle_from(start, &mut Vec::new(), &mut done))
    }

    fn circle_from(&self, at: &Module, way: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> Option<Vec<Module>> {
        if let Some(place) = way.iter().position(|each| each == at) {
            return Some(way[place..].to_vec());
        }
        if !done.contains(at) {
            way.push(at.clone());
            let found = self.product[at].iter().find_map(|next| self.circle_from(next, way, done));
            way.pop();
            done.insert(at.clone());
            return found;
        }
        None
    }

    /// Imports of a folder by one before it.
    fn upward(&self, folders: &[&str]) -> Vec<String> {
        let place = |module: &Module| match module.first() {
            // The crate's root names what is public of all of them.
            None => folders.len(),
            Some(folder) => folders
                .iter()
                .position(|each| each == folder)
                .unwrap_or_else(|| panic!("{folder}: expected one of the folders {folders:?}; add it in its place")),
        };
        let all = self.product.iter().chain(&self.tests);
        let pairs = all.flat_map(|(from, imports)| imports.iter().map(move |to| (from, to)));
        pairs
            .filter(|(from, to)| place(from) < place(to))
            .map(|(from, to)| format!("{} imports {}", from.join("::"), to.join("::")))
            .collect()
    }
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut looked_at = 0;
    for entry in fs::read_dir(crates()).expect("the crates") {
        let source = entry.expect("a crate").path().join("src");
        let circle = Crate::read(&source).circle();
        assert_eq!(circle, None, "a circle in {}", source.display());
        looked_at += 1;
    }
    assert!(looked_at > 10);
}

#[test]
fn each_folder_of_the_core_imports_only_those_before_it() {
    let core = Crate::read(&crates().join("i405-rt/src"));
    assert_eq!(core.upward(&FOLDERS), Vec::<String>::new());
    let imports: usize = core.product.values().map(BTreeSet::len).sum();
    assert!(imports > 200, "{imports} imports found: the test doesn't see them any more");
}

fn is_too_long(source: &str) -> bool {
    source.lines().count() > MOST_LINES
}

#[test]
fn no_file_is_too_long() {
    let mut paths = Vec::new();
    for entry in fs::read_dir(crates()).expect("the crates") {
        for folder in ["src", "tests"] {
            let folder = entry.as_ref().expect("a crate").path().join(folder);
            if folder.is_dir() {
                rust_files(&folder, &mut paths);
            }
        }
    }
    assert!(paths.len() > 200, "{} files", paths.len());
    paths.retain(|path| is_too_long(&fs::read_to_string(path).expect("a source")));
    assert_eq!(paths, Vec::<PathBuf>::new());
    assert!(is_too_long(&"\n".repeat(MOST_LINES + 1)) && !is_too_long(&"\n".repeat(MOST_LINES)));
}

fn planted(sources: &[(&str, &str)]) -> Crate {
    let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Crate::of(sources.iter().map(|(name, source)| (module(name), (*source).to_owned())).collect())
}

#[test]
fn a_planted_circle_is_found_however_it_is_written() {
    for back in ["use crate::a::one::X;", "use super::super::a::one::{X, Y};", "fn f() -> crate::a::one::X { todo!() }"]
    {
        let circle =
            planted(&[("", ""), ("a", ""), ("a::one", "use crate::b::two;"), ("b", ""), ("b::two", back)]).circle();
        assert_eq!(circle.map(|files| files.len()), Some(2), "{back}");
    }
    let through_a_folder = [("", ""), ("a", "pub use one::X;"), ("a::one", "use crate::a::Y;")];
    assert!(planted(&through_a_folder).circle().is_some());
    let tests_look_around = [("", ""), ("a", "use crate::b::B;"), ("b", "#[cfg(test)] mod tests { use crate::a::A; }")];
    assert_eq!(planted(&tests_look_around).circle(), None);
}

#[test]
fn a_planted_upward_import_is_found_in_product_and_tests() {
    for upward in ["use crate::b::B;", "#[cfg(test)] mod tests { use crate::b::B; }", "fn f() { crate::b::g(); }"] {
        let found = planted(&[("", ""), ("a", upward), ("b", "")]).upward(&["a", "b"]);
        assert_eq!(found, ["a imports b"], "{upward}");
    }
    assert!(planted(&[("", ""), ("a", ""), ("b", "use crate::a::A;")]).upward(&["a", "b"]).is_empty());
}
