//! Whether a subscriber got only what it might read, and was refused only what it might not.

use std::time::Duration;

use crate::clock::Moment;
use crate::history::{Entry, History, Seen};
use crate::truth::{Denial, Truth, Who};
use crate::violation::Kind;

use super::Faults;

/// How long what is published may still arrive after the right to read it is gone: the `ttl` of `rules.yaml`, and the
/// time to ask.
const ADMISSION: Duration = Duration::from_secs(5);

/// An edge or a core that was away may be missed for so long after it is back.
const RECOVERY: Duration = Duration::from_secs(10);

/// A refusal may be under way for so long after the right was given back.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// A token of the lesser role that a restore made good again lasts at most so long.
const TOKEN_LIFE: Duration = Duration::from_secs(8);

/// A token that no log knows, because it was issued after the backup that was restored, cannot be revoked. It can open
/// streams while it lasts, and these last for half a minute more.
const UNKNOWN_TOKEN_LIFE: Duration = Duration::from_secs(40);

/// An event that was published when its reader might not read it any more, and arrived before it might again.
pub(super) fn leak(history: &History, truth: &Truth, topic: usize, number: u64, at: Moment) -> Faults {
    let Some(published) = truth.asked_at(topic, number) else { return Vec::new() };
    let topics = [topic];
    let denied = truth.denials(history.user.as_deref(), &topics).find(|denial| {
        let is_of_role = matches!(denial.who, Who::User(_));
        let is_unknown =
            is_of_role && truth.restores.iter().any(|restore| at < restore.done + UNKNOWN_TOKEN_LIFE);
        // An officer is an administrator, to whom guarded topics are left, but for the time of a denial of its own.
        let may_be_left = denial.who == Who::Users
            && history.user.as_deref().is_some_and(|user| user.starts_with("officer-"));
        !is_unknown
            && !may_be_left
            && published > denial.taken.saturating_add(ADMISSION)
            && denial.returning.is_none_or(|returning| at < returning)
    });
    let text = |taken: Moment| format!("the right to read it was taken at {:.3} s", taken.as_secs_f64());
    denied.map(|denial| (Kind::Leak, text(denial.taken))).into_iter().collect()
}

/// A stream that ended otherwise than by a cut, or was not opened.
pub(super) fn ended(history: &History, truth: &Truth, asked: Moment, entry: &Entry) -> Faults {
    let denied = || {
        let mut denials = truth.denials(history.user.as_deref(), &history.topics);
        denials.any(|one| {
            one.taking <= entry.at && one.returned.is_none_or(|end| asked <= end + lingers(truth, one))
        })
    };
    let in_trouble = in_trouble(truth, asked, entry.at);
    let signed = history.user.is_some();
    let is_so = match &entry.seen {
        Seen::Closed { reason } => match reason.as_str() {
            "upstream_unavailable" | "drain" => in_trouble,
            "token_expired" | "token_revoked" => signed,
            "access_lost" => denied(),
            "max_age" => true,
            _ => false,
        },
        Seen::Failed { reason } => may_be_refused(reason, signed, denied),
        Seen::Refused { status: 401 | 403, reason } => {
            // A native EventSource would never come back from an expired token.
            may_be_refused(reason, signed, denied) && !(history.native && reason == "TOKEN_EXPIRED")
        }
        Seen::Refused { status: 502..=504, .. } => in_trouble && !history.native,
        _ => false,
    };
    if is_so { Vec::new() } else { vec![(Kind::Refusal, format!("{:?} without cause", entry.seen))] }
}

/// Whether something may have been away between these moments.
pub(super) fn in_trouble(truth: &Truth, asked: Moment, at: Moment) -> bool {
    truth.calm.is_none_or(|calm| asked <= calm + RECOVERY) || truth.was_slow(asked, at)
}

/// How long a denial may be felt after it is over. A backup does not know of tokens that were revoked after it.
fn lingers(truth: &Truth, denial: &Denial) -> Duration {
    let is_of_role = matches!(denial.who, Who::User(_));
    let restored = truth.restores.iter().find(|restore| restore.done > denial.taking);
    match (restored, denial.returned) {
        (Some(restore), Some(returned)) if is_of_role && restore.begun < returned + TOKEN_LIFE => {
            restore.done.saturating_sub(returned) + TOKEN_LIFE
        }
        _ => UNDER_WAY,
    }
}

fn may_be_refused(reason: &str, signed: bool, denied: impl Fn() -> bool) -> bool {
    match reason {
        "TOKEN_EXPIRED" | "TOKEN_REVOKED" => signed,
        "FORBIDDEN" | "LOGIN_REQUIRED" | "ACCESS_LOST" => denied(),
        _ => false,
    }
}
