//! Both ends of a session in one place: a client written from the protocol, a network that is cut, a backend that counts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use lastmile_edge::error::{Code, Error};
use lastmile_edge::session::{
    Action, ClientFrame, End, Kind, Limits, Machine, Message, Open, OpenOutcome, Opened, Payload, Ready,
    ServerFrame, Target,
};

/// What the backend knows of a call.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) kind: Option<Kind>,
    /// The client's messages, in the order in which they were applied.
    pub(crate) applied: Vec<u32>,
    /// Of those, how many were passed on and made room.
    passed: usize,
    /// How many messages it sent; of a stream, its last cursor.
    pub(crate) sent: u32,
    pub(crate) is_half_closed: bool,
    pub(crate) is_over: bool,
}

/// What the client knows of a call.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) kind: Option<Kind>,
    /// The number of the frame that opened it.
    number: u32,
    /// How many messages it sent.
    pub(crate) sent: u32,
    pub(crate) seen: Vec<u32>,
    pub(crate) ends: Vec<u32>,
    pub(crate) is_half_closed: bool,
    /// What it may still send.
    credit: u32,
    /// The call that goes on where this one stood.
    pub(crate) next: Option<u32>,
}

/// A client, an edge and a backend.
pub(crate) struct Ends {
    machine: Machine,
    pub(crate) served: BTreeMap<u32, Served>,
    pub(crate) known: BTreeMap<u32, Known>,
    /// The client's counted frames that the edge has not acknowledged.
    kept: VecDeque<ClientFrame>,
    /// The number of the first of them.
    first: u32,
    /// How many counted frames the client has had.
    had: u32,
    highest: u32,
    /// On their way; none while the connection is cut.
    network: Option<(VecDeque<ClientFrame>, VecDeque<ServerFrame>)>,
    /// On a new connection nothing is sent before `ready`, which says what the edge has.
    is_ready: bool,
    /// The session could not be resumed.
    pub(crate) is_lost: bool,
    limits: Limits,
}

impl Ends {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            machine: Machine::new(limits),
            served: BTreeMap::new(),
            known: BTreeMap::new(),
            kept: VecDeque::new(),
            first: 1,
            had: 0,
            highest: 0,
            network: Some(Default::default()),
            is_ready: true,
            is_lost: false,
            limits,
        }
    }

    fn say(&mut self, frame: ClientFrame) {
        if frame.is_counted() {
            self.kept.push_back(frame.clone());
        }
        if let Some((up, _)) = &mut self.network
            && self.is_ready
        {
            up.push_back(frame);
        }
    }

    /// Of those calls, the client's latest.
    fn choose(&self, which: usize, fits: impl Fn(&Known) -> bool) -> Option<u32> {
        let calls: Vec<u32> =
            self.known.iter().filter(|(_, call)| fits(call)).map(|(call, _)| *call).collect();
        (!calls.is_empty()).then(|| calls[which % calls.len()])
    }

    pub(crate) fn open(&mut self, kind: Kind, credit: u32) {
        self.open_at(kind, credit, 0);
    }

    fn open_at(&mut self, kind: Kind, credit: u32, cursor: u32) -> u32 {
        self.highest += 1;
        let call = self.highest;
        let number = self.first + self.kept.len() as u32;
        self.known.insert(call, Known { kind: Some(kind), number, ..Known::default() });
        let cursor = if cursor == 0 { String::new() } else { cursor.to_string() };
        let method = format!("{kind:?}");
        self.say(ClientFrame::Open(Open { call, method, credit, cursor, ..Open::default() }));
        call
    }

    pub(crate) fn send(&mut self, which: usize) {
        let may = |call: &Known| call.credit > 0 && !call.is_half_closed && call.ends.is_empty();
        let Some(call) = self.choose(which, may) else { return };
        let known = self.known.get_mut(&call).expect("chosen");
        known.credit -= 1;
        known.sent += 1;
        let payload = Some(Payload::Json(Bytes::from(known.sent.to_string())));
        self.say(ClientFrame::Send { call, payload });
    }

    pub(crate) fn half_close(&mut self, which: usize) {
        let uploads = |call: &Known| call.kind.is_some_and(Kind::uploads) && call.ends.is_empty();
        let Some(call) = self.choose(which, uploads) else { return };
        self.known.get_mut(&call).expect("chosen").is_half_closed = true;
        self.say(ClientFrame::HalfClose { call });
    }

    pub(crate) fn cancel(&mut self, which: usize) {
        if let Some(call) = self.choose(which, |call| call.ends.is_empty() && call.next.is_none()) {
            self.say(ClientFrame::Cancel { call });
        }
    }

    pub(crate) fn credit(&mut self, which: usize, messages: u32) {
        if let Some(call) = self.choose(which, |call| call.ends.is_empty() && call.next.is_none()) {
            self.say(ClientFrame::Credit { call, messages });
        }
    }

    pub(crate) fn ack(&mut self) {
        self.say(ClientFrame::Ack { received: self.had });
    }

    /// The edge hears one frame.
    pub(crate) fn up(&mut self) -> bool {
        let Some(frame) = self.network.as_mut().and_then(|(up, _)| up.pop_front()) else { return false };
        let kind = |name: &str| {
            [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi]
                .into_iter()
                .find(|kind| format!("{kind:?}") == name)
        };
        let mut actions = Vec::new();
        self.machine.take(frame, kind, &mut actions).expect("a client that keeps the rules");
        self.act(actions);
        true
    }

    /// The client hears one frame.
    pub(crate) fn down(&mut self) -> bool {
        let Some(frame) = self.network.as_mut().and_then(|(_, down)| down.pop_front()) else { return false };
        if frame.is_counted() {
            self.had += 1;
        }
        match frame {
            ServerFrame::Ready(ready) => self.resume(ready.received),
            ServerFrame::Ack { received } => self.acked(received),
            ServerFrame::Credit { call, messages } => self.of(call).credit += messages,
            ServerFrame::Message(message) => {
                let Target::Call(call) = message.target else { panic!("no channels here") };
                let payload = message.payload.expect("a payload");
                let number = std::str::from_utf8(payload.bytes()).expect("text").parse().expect("a number");
                self.of(call).seen.push(number);
            }
            ServerFrame::End(end) => self.of(end.call).ends.push(end.status),
            ServerFrame::Opened(opened) => assert!(self.known.contains_key(&opened.call)),
            other => panic!("unexpected {other:?}"),
        }
        true
    }

    fn of(&mut self, call: u32) -> &mut Known {
        self.known.get_mut(&call).unwrap_or_else(|| panic!("call {call} was never opened"))
    }

    fn acked(&mut self, received: u32) {
        while self.first <= received {
            self.kept.pop_front().expect("no more than was sent");
            self.first += 1;
        }
    }

    /// The session goes on: sends what the edge has not had, and opens again what has a cursor and went with the connection.
    fn resume(&mut self, received: u32) {
        self.is_ready = true;
        self.acked(received);
        let (up, _) = self.network.as_mut().expect("a connection that is ready");
        up.extend(self.kept.iter().cloned());
        let streams: Vec<(u32, u32)> = self
            .known
            .iter()
            .filter(|(_, call)| {
                call.number <= received
                    && call.kind == Some(Kind::ServerStream)
                    && call.next.is_none()
                    && call.ends.is_empty()
            })
            .map(|(call, known)| (*call, known.seen.last().copied().unwrap_or_default()))
            .collect();
        for (call, last) in streams {
            let next = self.open_at(Kind::ServerStream, 3, last);
            self.of(call).next = Some(next);
            self.of(next).seen.push(last);
        }
    }

    pub(crate) fn tick(&mut self) {
        let mut actions = Vec::new();
        self.machine.tick(&mut actions);
        self.act(actions);
    }

    /// The connection breaks, with all that is on its way.
    pub(crate) fn cut(&mut self) {
        self.is_ready = false;
        if self.network.take().is_some() {
            for call in self.machine.detach() {
                self.served.get_mut(&call).expect("served").is_over = true;
            }
        }
    }

    pub(crate) fn connect(&mut self) {
        if self.network.is_some() || self.is_lost {
            return;
        }
        match self.machine.compare(self.had) {
            Ordering::Equal => {}
            Ordering::Less => {
                // Too much was not acknowledged: the session is unknown, and what became of its calls is not known.
                self.is_lost = true;
                return;
            }
            Ordering::Greater => panic!("{} of {:?}", self.had, self.machine),
        }
        let received = self.machine.received();
        let ready = Ready { session: "s".into(), received, heartbeat_ms: 1, resume_ms: 1 };
        self.network = Some((VecDeque::new(), [ServerFrame::Ready(ready)].into()));
        let mut actions = Vec::new();
        self.machine.attach(self.had, &mut actions);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Write(frame) => {
                    let (_, down) =
                        self.network.as_mut().expect("nothing is written while there is no connection");
                    down.push_back(frame);
                }
                Action::Open(kind, open) => {
                    let sent = open.cursor.parse().unwrap_or_default();
                    let served = Served { kind: Some(kind), sent, ..Served::default() };
                    assert!(self.served.insert(open.call, served).is_none(), "opened twice");
                    let opened = Opened {
                        call: open.call,
                        channel: 0,
                        outcome: OpenOutcome::None,
                        reason: String::new(),
                        cursor: String::new(),
                    };
                    let mut more = Vec::new();
                    self.machine.opened(opened, &mut more);
                    self.act(more);
                }
                Action::Send { call, payload } => {
                    let number = payload.expect("a payload");
                    let number =
                        std::str::from_utf8(number.bytes()).expect("text").parse().expect("a number");
                    let served = self.served.get_mut(&call).expect("an open call");
                    assert!(!served.is_over && !served.is_half_closed);
                    served.applied.push(number);
                    let ahead = served.applied.len() - served.passed;
                    assert!(ahead <= self.limits.grant as usize, "{ahead} messages ahead");
                }
                Action::HalfClose(call) => {
                    let served = self.served.get_mut(&call).expect("an open call");
                    assert!(!std::mem::replace(&mut served.is_half_closed, true), "half-closed twice");
                }
                Action::Cancel(call) => self.served.get_mut(&call).expect("an open call").is_over = true,
                Action::Verify(_) => panic!("nobody sent a token"),
            }
        }
    }

    fn serving(&self, which: usize, fits: impl Fn(u32, &Served) -> bool) -> Option<u32> {
        let fitting = |(call, served): &(&u32, &Served)| !served.is_over && fits(**call, served);
        let calls: Vec<u32> = self.served.iter().filter(fitting).map(|(call, _)| *call).collect();
        (!calls.is_empty()).then(|| calls[which % calls.len()])
    }

    /// The backend sends a message.
    pub(crate) fn answer(&mut self, which: usize) {
        let Some(call) = self.serving(which, |call, served| {
            let is_single = matches!(served.kind, Some(Kind::Unary | Kind::ClientStream));
            self.machine.may_send(call) && !(is_single && served.sent > 0)
        }) else {
            return;
        };
        let served = self.served.get_mut(&call).expect("chosen");
        served.sent += 1;
        let is_stream = served.kind == Some(Kind::ServerStream);
        let message = Message {
            target: Target::Call(call),
            cursor: if is_stream { served.sent.to_string() } else { String::new() },
            event: String::new(),
            payload: Some(Payload::Json(Bytes::from(served.sent.to_string()))),
        };
        let mut actions = Vec::new();
        if is_stream {
            self.machine.streamed(call);
            actions.push(Action::Write(ServerFrame::Message(message)));
        } else {
            self.machine.message(call, message, &mut actions);
        }
        self.act(actions);
        assert!(self.machine.weight() <= self.limits.unacked + 4096, "{}", self.machine.weight());
    }

    /// The backend reads a message.
    pub(crate) fn read(&mut self, which: usize) {
        let Some(call) = self.serving(which, |_, served| served.passed < served.applied.len()) else {
            return;
        };
        self.served.get_mut(&call).expect("chosen").passed += 1;
        let mut actions = Vec::new();
        self.machine.passed(call, &mut actions);
        self.act(actions);
    }

    /// The backend ends a call.
    pub(crate) fn finish(&mut self, which: usize) {
        let Some(call) = self.serving(which, |_, served| served.kind != Some(Kind::ServerStream)) else {
            return;
        };
        self.served.get_mut(&call).expect("chosen").is_over = true;
        let mut actions = Vec::new();
        self.machine.end(End::failed(call, &Error::new(Code::Aborted, "ENDED", "")), &mut actions);
        self.act(actions);
    }

    /// Everything that is on its way arrives, and what is kept is let go.
    pub(crate) fn settle(&mut self) {
        self.connect();
        while self.up() || self.down() {}
        self.tick();
        self.ack();
        while self.up() || self.down() {}
    }

    /// Nothing is kept any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.kept.is_empty() && self.machine.weight() == 0 && !self.machine.owes_ack()
    }
}
