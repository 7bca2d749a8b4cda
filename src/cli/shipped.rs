//! The shipped flows within the binary, so that it can show itself and start anywhere. Invariant:
//! every flow and sample of `mappings/` is here.

/// Path below `mappings/`, and the text.
pub const FLOWS: &[(&str, &str)] = &[
    ("call-to-order.toml", include_str!("../../mappings/call-to-order.toml")),
    ("request-to-order.toml", include_str!("../../mappings/request-to-order.toml")),
    ("chat-to-order.toml", include_str!("../../mappings/chat-to-order.toml")),
    ("order-to-deal.toml", include_str!("../../mappings/order-to-deal.toml")),
    ("deal-update.toml", include_str!("../../mappings/deal-update.toml")),
    ("message-to-crm.toml", include_str!("../../mappings/message-to-crm.toml")),
    ("edit-to-crm.toml", include_str!("../../mappings/edit-to-crm.toml")),
    ("crm-to-message.toml", include_str!("../../mappings/crm-to-message.toml")),
    ("crm-edit-to-message.toml", include_str!("../../mappings/crm-edit-to-message.toml")),
    ("crm-removal-to-message.toml", include_str!("../../mappings/crm-removal-to-message.toml")),
    ("delivery-to-crm.toml", include_str!("../../mappings/delivery-to-crm.toml")),
    ("dialog-assign.toml", include_str!("../../mappings/dialog-assign.toml")),
    ("dialog-close.toml", include_str!("../../mappings/dialog-close.toml")),
    ("dialog-end.toml", include_str!("../../mappings/dialog-end.toml")),
    ("order-status-to-message.toml", include_str!("../../mappings/order-status-to-message.toml")),
    ("button-to-crm.toml", include_str!("../../mappings/button-to-crm.toml")),
    ("samples/call-finished.json", include_str!("../../mappings/samples/call-finished.json")),
    ("samples/request-phone.json", include_str!("../../mappings/samples/request-phone.json")),
    (
        "samples/request-phone-email.json",
        include_str!("../../mappings/samples/request-phone-email.json"),
    ),
    ("samples/request-email.json", include_str!("../../mappings/samples/request-email.json")),
    ("samples/chat-phone.json", include_str!("../../mappings/samples/chat-phone.json")),
    ("samples/chat-phone-email.json", include_str!("../../mappings/samples/chat-phone-email.json")),
    ("samples/chat-email.json", include_str!("../../mappings/samples/chat-email.json")),
    ("samples/dialog-assigned.json", include_str!("../../mappings/samples/dialog-assigned.json")),
    ("samples/dialog-opened.json", include_str!("../../mappings/samples/dialog-opened.json")),
    ("samples/order-created.json", include_str!("../../mappings/samples/order-created.json")),
    ("samples/order-status.json", include_str!("../../mappings/samples/order-status.json")),
    ("samples/order-sum.json", include_str!("../../mappings/samples/order-sum.json")),
    ("samples/message-text.json", include_str!("../../mappings/samples/message-text.json")),
    ("samples/message-image.json", include_str!("../../mappings/samples/message-image.json")),
    ("samples/message-edited.json", include_str!("../../mappings/samples/message-edited.json")),
    ("samples/crm-message-text.json", include_str!("../../mappings/samples/crm-message-text.json")),
    (
        "samples/crm-message-files.json",
        include_str!("../../mappings/samples/crm-message-files.json"),
    ),
    ("samples/button-pressed.json", include_str!("../../mappings/samples/button-pressed.json")),
    ("samples/delivery-read.json", include_str!("../../mappings/samples/delivery-read.json")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn nothing_of_the_folder_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let mut held = BTreeSet::new();
        for folder in ["", "samples/", "tables/"] {
            for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten() {
                let entry = entry.expect("an entry");
                if entry.path().is_file() {
                    held.insert(format!("{folder}{}", entry.file_name().to_string_lossy()));
                }
            }
        }
        let known: BTreeSet<String> = FLOWS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(known, held);
    }
}
