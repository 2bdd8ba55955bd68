//! The interpreter's source has no write barrier and registers no local variables: mutation is a
//! store, and the collector finds the machine's stack and the native one by itself.
//!
//! What counts as ceremony is what the library offers to those who need it, by name, and what such
//! things are called elsewhere.

use std::path::Path;

use crate::interpreter::directory;

/// Words of code (not of comments or strings) that must not occur.
const CEREMONY: [&str; 16] = [
    "write_barrier",
    "WriteBarrier",
    "barrier",
    "cards",
    "card_table",
    "mark_card",
    "mark_dirty",
    "remember",
    "remembered_set",
    "HandleScope",
    "Rooted",
    "RootGuard",
    "push_root",
    "pop_root",
    "gc_protect",
    "add_root",
];

/// Calls on the mutator that root one value or one range at a time.
const ROOTING: [&str; 4] = [".root(", ".handle(", ".pin(", "Rooted::new("];

/// Ceremony in a piece of Rust: line and word.
fn ceremony(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in code_of(source).lines().enumerate() {
        let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        for word in words.filter(|word| CEREMONY.contains(word)) {
            found.push((index + 1, word.to_owned()));
        }
        let calls = ROOTING.iter().filter(|call| line.replace(' ', "").contains(*call));
        found.extend(calls.map(|call| (index + 1, (*call).to_owned())));
    }
    found
}

/// The source without comments and without what is in string literals; lines stay where they are.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_length(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(1, |end| end + 2)
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// Bytes of the string literal that `text` begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn rust_files(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_interpreter_has_no_barriers_and_roots_no_values_by_hand() {
    let mut files = Vec::new();
    rust_files(&directory("../../src"), &mut files);
    assert!(files.len() > 40, "only {} files", files.len());
    let mut stores = 0;
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let found = ceremony(&source);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
        stores += code_of(&source).matches(".set_slot(").count();
    }
    assert!(stores > 50, "only {stores} stores into objects: is this the interpreter?");
}

/// Stores into objects end in a plain store of the machine's, whoever does them.
#[test]
fn a_store_is_a_store() {
    let object = std::fs::read_to_string(directory("../../src/object.rs")).unwrap();
    let code = code_of(&object);
    let body = code.split("fn set_slot(").nth(1).expect("object.rs stores into objects");
    let body = &body[..body.find("\n    }").expect("the function ends")];
    let statements = body.split(['{', ';', '}']).map(str::trim).filter(|part| !part.is_empty());
    let statements: Vec<_> = statements.filter(|part| !part.starts_with("debug_assert")).collect();
    // The rest of the signature, `unsafe`, and one write.
    assert!(statements.len() <= 3, "more than a store: {statements:?}");
    assert!(body.contains(".store(") || body.contains("write("), "no store: {body}");
}

#[test]
fn ceremony_is_found_where_there_is_some() {
    for (source, line) in [
        ("fn f(h: &Heap) {\n    h.write_barrier(object, 3);\n}", 2),
        ("let guard = mutator.root(value);", 1),
        ("let guard = mutator . root (value);", 1),
        ("\n\nself.heap.cards.mark(address);", 3),
        ("let s = \"a \\\" quote\"; push_root(s);", 1),
        ("match c { '\"' => push_root(c), _ => {} }", 1),
        ("struct A;\nimpl A { fn b(x: Rooted<Value>) {} }", 2),
        ("let scope = HandleScope::new(heap);", 1),
    ] {
        let found = ceremony(source);
        assert!(found.iter().any(|(at, _)| *at == line), "{source}: {found:?}");
    }
    for source in [
        "// no write_barrier here\nlet x = 1;",
        "/* push_root( */ fn f() {}",
        "let text = \"it has no write barrier for cards\";",
        "object.set_slot(1, value);",
        "fn discards(&self) {}",
    ] {
        assert_eq!(ceremony(source), [], "{source}");
    }
}
