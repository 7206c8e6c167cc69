//! The machine in every order of frames, cuts and ticks: each send is applied once, each message seen once.

use lastmile_edge::session::{Action, ClientFrame, Kind, Limits, Machine, Open, ServerFrame};
use proptest::collection::vec;
use proptest::prelude::*;

use super::ends::Ends;

const LIMITS: Limits = Limits { calls: 1000, unacked: 100_000, grant: 4 };
/// So little that frames are forgotten before they arrive.
const TIGHT: Limits = Limits { unacked: 400, ..LIMITS };

/// One thing that happens; numbers choose which call.
#[derive(Debug, Clone, Copy)]
enum Step {
    Open(Kind, u32),
    Send(usize),
    HalfClose(usize),
    Cancel(usize),
    Credit(usize, u32),
    Ack,
    Up(usize),
    Down(usize),
    Answer(usize),
    Read(usize),
    Finish(usize),
    Tick,
    Cut,
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    let kind =
        prop_oneof![Just(Kind::Unary), Just(Kind::ServerStream), Just(Kind::ClientStream), Just(Kind::Bidi),];
    let which = 0..8_usize;
    prop_oneof![
        3 => (kind, 0..4_u32).prop_map(|(kind, credit)| Step::Open(kind, credit)),
        8 => which.clone().prop_map(Step::Send),
        1 => which.clone().prop_map(Step::HalfClose),
        1 => which.clone().prop_map(Step::Cancel),
        4 => (which.clone(), 0..4_u32).prop_map(|(which, more)| Step::Credit(which, more)),
        3 => Just(Step::Ack),
        10 => (1..6_usize).prop_map(Step::Up),
        10 => (1..6_usize).prop_map(Step::Down),
        10 => which.clone().prop_map(Step::Answer),
        6 => which.clone().prop_map(Step::Read),
        1 => which.prop_map(Step::Finish),
        2 => Just(Step::Tick),
        2 => Just(Step::Cut),
        4 => Just(Step::Connect),
    ]
}

fn run(limits: Limits, steps: &[Step]) -> Ends {
    let mut ends = Ends::new(limits);
    for step in steps {
        match *step {
            Step::Open(kind, credit) => ends.open(kind, credit),
            Step::Send(which) => ends.send(which),
            Step::HalfClose(which) => ends.half_close(which),
            Step::Cancel(which) => ends.cancel(which),
            Step::Credit(which, messages) => ends.credit(which, messages),
            Step::Ack => ends.ack(),
            Step::Up(frames) => (0..frames).for_each(|_| _ = ends.up()),
            Step::Down(frames) => (0..frames).for_each(|_| _ = ends.down()),
            Step::Answer(which) => ends.answer(which),
            Step::Read(which) => ends.read(which),
            Step::Finish(which) => ends.finish(which),
            Step::Tick => ends.tick(),
            Step::Cut => ends.cut(),
            Step::Connect => ends.connect(),
        }
    }
    ends.settle();
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_send_is_applied_once_and_each_message_seen_once(steps in vec(step(), 0..150)) {
        let ends = run(LIMITS, &steps);
        prop_assert!(!ends.is_lost && ends.is_settled(), "something is still kept");
        for (call, known) in &ends.known {
            let Some(served) = ends.served.get(call) else {
                prop_assert!(false, "call {} never came", call);
                continue;
            };
            // Of a call that ended early, later messages come to nothing; none is applied twice, or out of turn.
            let applied: Vec<u32> = (1..=served.applied.len() as u32).collect();
            prop_assert_eq!(&served.applied, &applied);
            if !served.is_over {
                prop_assert_eq!(served.applied.len() as u32, known.sent);
                prop_assert_eq!(served.is_half_closed, known.is_half_closed);
            }
            if known.kind == Some(Kind::ServerStream) {
                let first = known.seen.first().copied().unwrap_or(1);
                let seen: Vec<u32> = (first..).take(known.seen.len()).collect();
                prop_assert_eq!(&known.seen, &seen, "a stream is without holes");
                let last = known.seen.last().copied().unwrap_or_default();
                match known.next {
                    Some(next) => prop_assert_eq!(ends.known[&next].seen[0], last),
                    None if !served.is_over => prop_assert_eq!(last, served.sent),
                    None => {}
                }
            } else {
                let sent: Vec<u32> = (1..=served.sent).collect();
                prop_assert_eq!(&known.seen, &sent, "every message is seen, once");
                prop_assert_eq!(known.ends.len(), usize::from(served.is_over), "every call has one end");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_forgotten_is_never_passed_over_in_silence(steps in vec(step(), 0..150)) {
        let ends = run(TIGHT, &steps);
        for (call, known) in &ends.known {
            let Some(served) = ends.served.get(call) else {
                prop_assert!(ends.is_lost, "call {} never came", call);
                continue;
            };
            let applied: Vec<u32> = (1..=served.applied.len() as u32).collect();
            prop_assert_eq!(&served.applied, &applied);
            if known.kind != Some(Kind::ServerStream) {
                let seen: Vec<u32> = (1..=known.seen.len() as u32).collect();
                prop_assert_eq!(&known.seen, &seen);
                prop_assert!(ends.is_lost || known.seen.len() as u32 == served.sent);
            }
        }
    }
}

#[test]
fn what_breaks_the_rules_ends_the_connection_and_what_breaks_a_call_ends_the_call() {
    let open =
        |call, kind: Kind| ClientFrame::Open(Open { call, method: format!("{kind:?}"), ..Open::default() });
    let send = |call| ClientFrame::Send { call, payload: None };
    let credit = |messages| ClientFrame::Credit { call: 1, messages };
    let half_close = || ClientFrame::HalfClose { call: 1 };
    for (frames, expected) in [
        (vec![ClientFrame::Hello(Default::default())], "4400"),
        (vec![open(0, Kind::Unary)], "4400"),
        (vec![open(1, Kind::Bidi), open(1, Kind::Bidi)], "4400"),
        (vec![open(7, Kind::Bidi), open(3, Kind::Bidi)], "4400"),
        (vec![send(1)], "4400"),
        (vec![open(1, Kind::Bidi), send(2)], "4400"),
        (vec![ClientFrame::Cancel { call: 9 }], "4400"),
        (vec![half_close()], "4400"),
        (vec![credit(1)], "4400"),
        (vec![ClientFrame::Ack { received: 1 }], "4400"),
        (vec![open(1, Kind::Unary), send(1)], "SEND_UNEXPECTED"),
        (vec![open(1, Kind::ServerStream), half_close()], "SEND_UNEXPECTED"),
        (vec![open(1, Kind::Bidi), half_close(), send(1)], "SEND_UNEXPECTED"),
        (vec![open(1, Kind::Bidi), half_close(), half_close()], "open"),
        (vec![open(1, Kind::Bidi), send(1), send(1), send(1), send(1)], "open"),
        (vec![open(1, Kind::Bidi), send(1), send(1), send(1), send(1), send(1)], "CREDIT_EXCEEDED"),
        (vec![open(1, Kind::Bidi), credit(u32::MAX)], "open"),
        (vec![open(1, Kind::Bidi), credit(u32::MAX), credit(1)], "CREDIT_OVERFLOW"),
        (vec![open(1, Kind::Bidi), ClientFrame::Cancel { call: 1 }, send(1)], "CANCELLED"),
    ] {
        assert_eq!(outcome(&frames), expected, "{frames:?}");
    }
    let nowhere = ClientFrame::Open(Open { call: 1, method: "no/Method".into(), ..Open::default() });
    assert_eq!(outcome(&[nowhere]), "METHOD_UNKNOWN");
}

/// The code that the connection is closed with, the reason that the call ends with, or that it goes on.
fn outcome(frames: &[ClientFrame]) -> String {
    let mut machine = Machine::new(LIMITS);
    let kind = |name: &str| {
        let all = [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi];
        all.into_iter().find(|kind| format!("{kind:?}") == name)
    };
    let mut actions = Vec::new();
    for frame in frames {
        if let Err(violation) = machine.take(frame.clone(), kind, &mut actions) {
            return violation.close.code().to_string();
        }
    }
    let reason = actions.iter().find_map(|action| match action {
        Action::Write(ServerFrame::End(end)) => Some(end.details[0].json["reason"].as_str()?.to_owned()),
        _ => None,
    });
    reason.unwrap_or_else(|| "open".into())
}
