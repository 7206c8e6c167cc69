//! One order for the files of a schema, whatever order a backend tells them in.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

/// What the order depends on.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
}

/// Imports before the files that import them, as protoc writes them, else by name. A file that cannot be read goes last:
/// others say what is wrong with it.
pub fn in_order(files: Vec<Bytes>) -> Vec<Bytes> {
    let mut unreadable = Vec::new();
    let mut waiting = BTreeMap::new();
    for file in files {
        match Named::decode(file.clone()) {
            Ok(named) => _ = waiting.entry(named.name).or_insert((named.imports, file)),
            Err(_) => unreadable.push(file),
        }
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(name) = waiting.keys().next().cloned() {
        place(name, &mut waiting, &mut ordered);
    }
    ordered.extend(unreadable);
    ordered
}

/// Places a file behind its imports. A stack of its own: how deep imports go is the backend's choice.
fn place(name: String, waiting: &mut BTreeMap<String, (Vec<String>, Bytes)>, ordered: &mut Vec<Bytes>) {
    let mut stack: Vec<(std::vec::IntoIter<String>, Option<Bytes>)> = vec![(vec![name].into_iter(), None)];
    while let Some((imports, file)) = stack.last_mut() {
        match imports.next() {
            Some(import) => {
                if let Some((imports, file)) = waiting.remove(&import) {
                    stack.push((imports.into_iter(), Some(file)));
                }
            }
            None => {
                ordered.extend(file.take());
                stack.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, imports: &[&str]) -> Bytes {
        let imports = imports.iter().map(ToString::to_string).collect();
        Named { name: name.into(), imports }.encode_to_vec().into()
    }

    #[test]
    fn imports_go_first_and_names_decide_the_rest() {
        let mut files = vec![
            file("a", &["z", "m"]),
            file("b", &[]),
            file("m", &["z"]),
            file("z", &["missing"]),
            file("loop", &["loop"]),
        ];
        let expected = ["z", "m", "a", "b", "loop"];
        for _ in 0..files.len() {
            files.rotate_left(1);
            let ordered = in_order(files.clone());
            let names: Vec<String> =
                ordered.iter().map(|file| Named::decode(file.clone()).unwrap().name).collect();
            assert_eq!(names, expected);
        }
        assert_eq!(
            in_order(vec![Bytes::from_static(b"\xff"), file("a", &[])])[1],
            Bytes::from_static(b"\xff")
        );
    }
}
