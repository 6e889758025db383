//! Conversions between the messages of state handles and those of the checkpoint protocol.

use std::collections::BTreeMap;

use checkpoint::{Item, KeyedState, StateFile, StateFormat, SubtaskState};
use model::Failure;
use prost::bytes::Bytes;

use crate::v1;

/// The states of operators, by uid, as a message has them.
pub fn to_message(states: BTreeMap<String, Vec<SubtaskState>>) -> Vec<v1::OperatorState> {
    let operator = |(uid, states): (String, Vec<SubtaskState>)| v1::OperatorState {
        uid,
        subtasks: states.into_iter().map(subtask_message).collect(),
    };
    states.into_iter().map(operator).collect()
}

/// The states of operators, by uid, that a message has.
///
/// # Errors
/// Class `Internal` if the message does not make sense.
pub fn from_message(message: Vec<v1::OperatorState>) -> Result<BTreeMap<String, Vec<SubtaskState>>, Failure> {
    let mut states: BTreeMap<String, Vec<SubtaskState>> = BTreeMap::new();
    for operator in message {
        let subtasks = operator.subtasks.into_iter().map(subtask_state).collect::<Result<Vec<_>, _>>();
        let subtasks = subtasks.map_err(|failure| failure.at(&operator.uid))?;
        states.entry(operator.uid).or_default().extend(subtasks);
    }
    Ok(states)
}

fn subtask_message(state: SubtaskState) -> v1::SubtaskState {
    let items =
        |items: Vec<Item>| v1::StateItems { items: items.into_iter().map(|item| Bytes::from(item.0)).collect() };
    v1::SubtaskState {
        subtask: state.subtask,
        keyed: state.keyed.map(keyed_message),
        lists: state.lists.into_iter().map(|(name, list)| (name, items(list))).collect(),
    }
}

fn subtask_state(message: v1::SubtaskState) -> Result<SubtaskState, Failure> {
    let items = |list: v1::StateItems| list.items.into_iter().map(|item| Item(item.to_vec())).collect();
    Ok(SubtaskState {
        subtask: message.subtask,
        keyed: message.keyed.map(keyed_state).transpose()?,
        lists: message.lists.into_iter().map(|(name, list)| (name, items(list))).collect(),
    })
}

fn keyed_message(state: KeyedState) -> v1::KeyedState {
    let format = match state.format {
        StateFormat::SnapshotV1 => v1::StateFormat::SnapshotV1,
        StateFormat::RocksdbV1 => v1::StateFormat::RocksdbV1,
    };
    let file = |file: StateFile| v1::StateFile { name: file.name, uri: file.uri, size: file.size, crc32: file.crc32 };
    v1::KeyedState {
        first_key_group: state.first_key_group.into(),
        last_key_group: state.last_key_group.into(),
        format: format.into(),
        files: state.files.into_iter().map(file).collect(),
    }
}

fn keyed_state(message: v1::KeyedState) -> Result<KeyedState, Failure> {
    let format = match message.format() {
        v1::StateFormat::SnapshotV1 => StateFormat::SnapshotV1,
        v1::StateFormat::RocksdbV1 => StateFormat::RocksdbV1,
        v1::StateFormat::Unspecified => {
            return Err(Failure::internal(format!("unknown format {} of keyed state", message.format)));
        }
    };
    let key_group = |group: u32| {
        u16::try_from(group).map_err(|_| Failure::internal(format!("key group {group} of keyed state is none")))
    };
    let file = |file: v1::StateFile| StateFile { name: file.name, uri: file.uri, size: file.size, crc32: file.crc32 };
    Ok(KeyedState {
        first_key_group: key_group(message.first_key_group)?,
        last_key_group: key_group(message.last_key_group)?,
        format,
        files: message.files.into_iter().map(file).collect(),
    })
}

#[cfg(test)]
mod tests {
    use model::ErrorClass;

    use super::*;

    fn states() -> BTreeMap<String, Vec<SubtaskState>> {
        let file =
            StateFile { name: "000012.sst".to_owned(), uri: "s3://b/x".to_owned(), size: 1 << 40, crc32: u32::MAX };
        let keyed =
            |format| KeyedState { first_key_group: 3, last_key_group: u16::MAX, format, files: vec![file.clone()] };
        let with = |subtask, format| SubtaskState { subtask, keyed: Some(keyed(format)), lists: BTreeMap::new() };
        let items = vec![Item(vec![0, 255]), Item(Vec::new())];
        let lists = [("splits".to_owned(), items), ("none".to_owned(), Vec::new())].into();
        let source = SubtaskState { subtask: 7, keyed: None, lists };
        let aggregate = vec![with(0, StateFormat::SnapshotV1), with(1, StateFormat::RocksdbV1)];
        [("aggregate".to_owned(), aggregate), ("source".to_owned(), vec![source])].into()
    }

    #[test]
    fn states_arrive_as_they_were_sent() {
        assert_eq!(from_message(to_message(states())), Ok(states()));
    }

    #[test]
    fn states_that_make_no_sense_are_refused_with_their_operator() {
        let spoil: [fn(&mut v1::KeyedState); 3] =
            [|keyed| keyed.format = 0, |keyed| keyed.format = 99, |keyed| keyed.last_key_group = 1 << 16];
        for (number, spoil) in spoil.iter().enumerate() {
            let mut message = to_message(states());
            message[0].subtasks[1].keyed.iter_mut().for_each(spoil);
            let failure = from_message(message).expect_err("refused");
            assert_eq!(failure.class, ErrorClass::Internal, "{number}");
            assert!(failure.message.contains("aggregate"), "{number}: {failure}");
        }
    }
}
