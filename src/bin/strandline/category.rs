//! The names of page categories on the command line and in the output.

use strandline::os::pagemap::Categories;

use crate::failure::Failure;

/// Every category with its name, in the order of the kernel's bits.
pub(crate) const NAMES: [(Categories, &str); 9] = [
    (Categories::WPALLOWED, "wpallowed"),
    (Categories::WRITTEN, "written"),
    (Categories::FILE, "file"),
    (Categories::PRESENT, "present"),
    (Categories::SWAPPED, "swapped"),
    (Categories::PFNZERO, "zero-page"),
    (Categories::HUGE, "huge"),
    (Categories::SOFT_DIRTY, "soft-dirty"),
    (Categories::GUARD, "guard"),
];

/// The names of `categories`.
pub(crate) fn names(categories: Categories) -> Vec<&'static str> {
    let named = NAMES.iter().filter(|(category, _)| categories.contains(*category));
    named.map(|(_, name)| *name).collect()
}

/// The names of `categories` in one word; `-` for none.
pub(crate) fn list(categories: Categories) -> String {
    if categories.is_empty() { "-".to_owned() } else { names(categories).join(",") }
}

/// Reads names that are separated by commas.
pub(crate) fn parse(text: &str) -> Result<Categories, String> {
    let mut categories = Categories::empty();
    for part in text.split(',') {
        let part = part.trim();
        let known = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(part));
        let (category, _) = known.ok_or_else(|| {
            let all = list(Categories::all()).replace(',', ", ");
            format!("{part:?} is not a page category; there are {all}")
        })?;
        categories |= *category;
    }
    Ok(categories)
}

/// Refuses categories that this kernel does not know: the answer would be wrong, not empty.
pub(crate) fn require(asked: Categories, known: Categories) -> Result<(), Failure> {
    let unknown = asked.difference(known);
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "this kernel does not know {}; it knows {}",
        list(unknown),
        list(known)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_has_a_name_that_is_read_back() {
        assert_eq!(parse(&list(Categories::all())), Ok(Categories::all()));
        assert_eq!(parse("Written, huge"), Ok(Categories::WRITTEN | Categories::HUGE));
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_right_ones() {
        for text in ["dirty", "", "written,,huge"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("zero-page, huge"), "{error}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_know_is_refused_by_name() {
        let known = Categories::WRITTEN | Categories::PRESENT;
        assert!(require(Categories::PRESENT, known).is_ok());
        let error = require(Categories::PRESENT | Categories::GUARD, known).unwrap_err();
        assert_eq!(error.to_string(), "this kernel does not know guard; it knows written,present");
    }
}
