//! Which crates the binary's code is from, by the symbols of a build that keeps them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// What stands before the path of the first type in a symbol's name.
const BEFORE_A_PATH: [&str; 10] = [
    "<", "&", "(", "[", "*const ", "*mut ", "mut ", "dyn ", "impl ", "for<",
];

/// The bytes of each part, the largest first, and the size of the whole file.
pub struct Sizes {
    /// The file.
    pub total: u64,
    /// Its sections, but for those that take no bytes of it.
    pub sections: Vec<(String, u64)>,
    /// Its code by crate; empty without symbols.
    pub crates: Vec<(String, u64)>,
}

/// Reads a binary.
///
/// # Errors
/// Where it can't be read, or is none.
pub fn sizes(path: &Path) -> Result<Sizes> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = File::parse(&*bytes).with_context(|| format!("{} is no ELF file", path.display()))?;
    let sections = file
        .sections()
        .filter(|section| section.file_range().is_some())
        .filter_map(|section| Some((section.name().ok()?.to_owned(), section.size())))
        .collect();
    let mut crates = BTreeMap::<String, u64>::new();
    // Functions of the same code are one, with several names.
    let mut seen = BTreeSet::new();
    for symbol in file.symbols() {
        if symbol.kind() == SymbolKind::Text && symbol.size() > 0 && seen.insert(symbol.address()) {
            let name = symbol.name().unwrap_or_default();
            *crates.entry(crate_of(name)).or_default() += symbol.size();
        }
    }
    Ok(Sizes {
        total: u64::try_from(bytes.len())?,
        sections: largest_first(sections),
        crates: largest_first(crates.into_iter().collect()),
    })
}

fn largest_first(mut parts: Vec<(String, u64)>) -> Vec<(String, u64)> {
    parts.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    parts
}

/// The crate in which a function is written: of `<a::B as c::D>::e` it is `a`. A generic function counts for the crate
/// that has it, not for the one whose type it is made for.
fn crate_of(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let mut path = name.as_str();
    while let Some(rest) = BEFORE_A_PATH.iter().find_map(|prefix| path.strip_prefix(prefix)) {
        path = rest;
    }
    let end = path
        .find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .unwrap_or(path.len());
    match path.split_at(end) {
        (word, rest) if rest.starts_with("::") => word.to_owned(),
        // ring's C and assembly, whose symbols all begin so.
        (word, _) if word.starts_with("ring_core_") => "ring (C and assembly)".to_owned(),
        (_, rest) if rest.contains(" as ") => "core".to_owned(),
        _ => "C library and others".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_crate_that_its_path_begins_with() {
        for (symbol, expected) in [
            ("_ZN5hyper5proto2h14conn17h0123456789abcdefE", "hyper"),
            (
                "_ZN56_$LT$rustls..client..Conn$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE",
                "rustls",
            ),
            (
                "_ZN42_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
                "core",
            ),
            ("ring_core_0_17_14__p256_point_mul", "ring (C and assembly)"),
            ("memcpy", "C library and others"),
        ] {
            assert_eq!(crate_of(symbol), expected, "{symbol}");
        }
    }

    #[test]
    fn this_tests_own_symbols_have_its_crates() -> Result<()> {
        let sizes = sizes(&std::env::current_exe()?)?;
        assert!(
            sizes
                .crates
                .iter()
                .any(|(name, size)| name == "core" && *size > 0)
        );
        assert!(sizes.sections.iter().any(|(name, _)| name == ".text"));
        Ok(())
    }
}
