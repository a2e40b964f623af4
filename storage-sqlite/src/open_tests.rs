use super::*;

#[test]
fn libraries_before_3_51_3_are_too_old() {
    for (version, old) in [
        ("3.51.2", true),
        ("3.40.1", true),
        ("2.99.9", true),
        ("", true),
        ("x.y.z", true),
    ] {
        assert_eq!(is_too_old(version), old, "{version}");
    }
    for version in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
        assert!(!is_too_old(version), "{version}");
    }
}
