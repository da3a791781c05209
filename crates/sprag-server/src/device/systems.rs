//! Systems, as people call them.

/// What people call the system that a client says it runs on.
pub(super) fn system(agent: &str) -> Option<&'static str> {
    const SYSTEMS: [(&str, &str); 20] = [
        ("Windows Phone", "Windows Phone"),
        ("Xbox", "Xbox"),
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("iPod", "iPod"),
        ("Android", "Android"),
        ("Dalvik/", "Android"),
        ("CrOS ", "ChromeOS"),
        ("SmartTV", "a television"),
        ("SMART-TV", "a television"),
        ("Mac OS X", "macOS"),
        ("Macintosh", "macOS"),
        ("macOS", "macOS"),
        ("iOS", "iOS"),
        ("Linux", "Linux"),
        ("Ubuntu", "Linux"),
        ("FreeBSD", "FreeBSD"),
        ("OpenBSD", "OpenBSD"),
        ("linux", "Linux"),
    ];
    SYSTEMS.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
}

/// The systems that the library knows and that no mark above tells of.
pub(super) fn system_named(os: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "BlackBerry",
        "PlayStation 3",
        "PlayStation 4",
        "PlayStation Vita",
        "Nintendo Wii U",
        "Nintendo 3DS",
        "BSD",
        "Firefox OS",
    ];
    NAMES.into_iter().find(|name| os.starts_with(name))
}

/// What runs on a system, or just what runs where none is known.
pub(super) fn on(name: &str, system: Option<&str>) -> String {
    system.map_or_else(|| name.to_owned(), |system| format!("{name} on {system}"))
}
