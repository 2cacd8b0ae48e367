//! The administration's OpenAPI document.

use serde_json::Value;

/// The document; a file beside this one, checked by a test.
pub(super) fn document() -> Value {
    serde_json::from_str(include_str!("openapi.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_json_and_every_reference_in_it_leads_somewhere() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().expect("an end");
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
