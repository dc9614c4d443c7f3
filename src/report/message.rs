//! MESSAGE: one sentence, limited in bytes and as JSON, since Tekton and others limit the size of results.

use k8s_openapi::jiff::Timestamp;

use crate::{
    config::{Mode, ReportContext},
    credential::rfc3339,
    outcome::{Action, Finding, Outcome, Plan, Verified},
    text::{clip_name, one_line},
};
/// Longest MESSAGE, in bytes.
const MAX_BYTES: usize = 300;

/// Longest MESSAGE as Go's JSON has it, in bytes: the other six results and their keys take less than 500 bytes, and
/// all of them together stay under 1 KiB.
const MAX_ESCAPED: usize = 500;

/// Longest Secret name in MESSAGE, in characters; the report has the full name.
const NAME_MAX: usize = 80;

const ELLIPSIS: char = '…';

/// MESSAGE of a run with findings: `finding` is the most severe of `count` findings.
pub(super) fn of_finding(
    finding: &Finding,
    count: usize,
    outcome: &Outcome,
    context: &ReportContext,
) -> String {
    let cause = one_line(&finding.cause);
    let others = match count {
        0 | 1 => String::new(),
        _ => format!(" (first of {count} findings)"),
    };
    let remedy = in_sentence(&one_line(finding.remedy()));
    let text = format!("{cause}{others}; {remedy}");
    let tail = match outcome.credential.expires_at {
        Some(expires_at) if finding.warning && context.next_run_unknown => {
            format!("; the credential {}", expiry(expires_at, context))
        }
        _ => String::new(),
    };
    let room = MAX_BYTES.saturating_sub(tail.len());
    if tail.is_empty() || cause.len().saturating_add(ELLIPSIS.len_utf8()) > room {
        return limited(&text);
    }
    let text = cut(
        text.trim_end_matches('.'),
        room,
        MAX_ESCAPED.saturating_sub(tail.len()),
    );
    format!("{text}{tail}")
}

/// Sentence as the second half of another one: its first letter in lower case, unless it begins a name.
pub(super) fn in_sentence(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// MESSAGE of a run without findings: what was verified, and when the credential expires.
pub(super) fn of_success(outcome: &Outcome, context: &ReportContext) -> String {
    if context.mode == Some(Mode::Doctor) {
        return of_doctor(outcome);
    }
    let secret = match (&context.namespace, &context.name) {
        (Some(namespace), Some(name)) => {
            format!("{}/{}", clip_name(namespace, 63), clip_name(name, NAME_MAX))
        }
        (_, Some(name)) => clip_name(name, NAME_MAX),
        (_, None) => "the secret".to_owned(),
    };
    if let Some(Plan {
        action,
        because: Some(because),
        ..
    }) = &outcome.plan
    {
        let change = match action {
            Action::Created => "create",
            Action::Repaired => "repair",
            Action::Refreshed | Action::Unchanged | Action::None | Action::Unknown => "refresh",
        };
        return limited(&format!("ensure would {change} {secret}: {because}"));
    }
    let verified = match outcome.verified {
        Verified::Pull => match outcome.images.len() {
            0 | 1 => "pulls the image".to_owned(),
            count => format!("pulls all {count} images"),
        },
        Verified::Login => match outcome.registries.len() {
            0 | 1 => "is accepted by the registry".to_owned(),
            count => format!("is accepted by all {count} registries"),
        },
        Verified::Review => "is accepted by the API server; the registry was not contacted".to_owned(),
        Verified::None => "is well-formed; the credential was not verified".to_owned(),
    };
    let expiry = match outcome.credential.expires_at {
        Some(expires_at) => expiry(expires_at, context),
        None if context.next_run_unknown => "has no known expiry and no next run is known".to_owned(),
        None => "has no known expiry".to_owned(),
    };
    limited(&format!("{secret} {verified}; its credential {expiry}"))
}

/// MESSAGE of `doctor` without findings.
fn of_doctor(outcome: &Outcome) -> String {
    let warnings = outcome.lines.iter().filter(|line| line.warning).count();
    let fine = outcome.lines.len().saturating_sub(warnings);
    match warnings {
        0 => format!("all {fine} checks passed"),
        1 => format!("{fine} checks passed, 1 warning; the log has its remedy"),
        _ => format!("{fine} checks passed, {warnings} warnings; the log has their remedies"),
    }
}

fn expiry(expires_at: Timestamp, context: &ReportContext) -> String {
    let known = if context.next_run_unknown {
        " and no next run is known"
    } else {
        ""
    };
    format!("expires at {}{known}", rfc3339(expires_at))
}

/// Text cut to the length of MESSAGE.
fn limited(text: &str) -> String {
    cut(text, MAX_BYTES, MAX_ESCAPED)
}

/// Text cut to at most `max` bytes, and at most `max_escaped` bytes as JSON written by Go; `…` marks the cut.
fn cut(text: &str, max: usize, max_escaped: usize) -> String {
    let length = |text: &str| text.chars().map(escaped_length).fold(0, usize::saturating_add);
    if text.len() <= max && length(text) <= max_escaped {
        return text.to_owned();
    }
    let (mut bytes, mut escaped) = (ELLIPSIS.len_utf8(), escaped_length(ELLIPSIS));
    let mut kept: String = text
        .chars()
        .take_while(|&c| {
            bytes = bytes.saturating_add(c.len_utf8());
            escaped = escaped.saturating_add(escaped_length(c));
            bytes <= max && escaped <= max_escaped
        })
        .collect();
    kept.push(ELLIPSIS);
    kept
}

/// Length of a character in a JSON string written by Go, in bytes: Tekton carries results in such JSON (Go `encoding/json`,
/// `appendString` with `escapeHTML`).
pub(super) fn escaped_length(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reason;

    fn context() -> ReportContext {
        ReportContext {
            namespace: Some("private-ai-demo".to_owned()),
            name: Some("internal-registry-private-ai".to_owned()),
            ..ReportContext::default()
        }
    }

    fn expiring() -> Outcome {
        let mut outcome = Outcome::default();
        outcome.credential.expires_at = "2026-11-25T14:00:00Z".parse().ok();
        outcome
    }

    #[test]
    fn success_message_has_the_verification_and_the_expiry() {
        let outcome = Outcome {
            verified: Verified::Pull,
            ..expiring()
        };
        assert_eq!(
            of_success(&outcome, &context()),
            "private-ai-demo/internal-registry-private-ai pulls the image; its credential expires at \
             2026-11-25T14:00:00Z"
        );
    }

    #[test]
    fn message_ends_with_no_next_run_is_known_if_unset() {
        let context = ReportContext {
            next_run_unknown: true,
            ..context()
        };
        let end = "expires at 2026-11-25T14:00:00Z and no next run is known";
        assert!(of_success(&expiring(), &context).ends_with(end));
        let warning = Finding::new(Reason::RegistryUnavailable, "the registry gave no answer").as_warning();
        let message = of_finding(&warning, 1, &expiring(), &context);
        assert!(
            message.starts_with("the registry gave no answer; run it again"),
            "{message}"
        );
        assert!(message.ends_with(end), "{message}");
        let failure = Finding::new(Reason::TagMissing, "no such tag");
        assert!(!of_finding(&failure, 1, &expiring(), &context).contains("next run"));
    }

    #[test]
    fn long_remedy_is_cut_and_the_cause_stays_whole() {
        let cause = "c".repeat(290);
        let finding = Finding::new(Reason::ApiForbidden, cause.clone()).with_remedy("é".repeat(300));
        let message = of_finding(&finding, 1, &Outcome::default(), &context());
        assert!(message.starts_with(&cause) && message.ends_with('…'), "{message}");
        assert!((299..=300).contains(&message.len()), "{}", message.len());
        let warning = finding.as_warning();
        let context = ReportContext {
            next_run_unknown: true,
            ..context()
        };
        assert!(of_finding(&warning, 1, &expiring(), &context).starts_with(&cause));
    }

    #[test]
    fn expiry_follows_the_cause_if_both_fit() {
        let context = ReportContext {
            next_run_unknown: true,
            ..context()
        };
        let tail = "; the credential expires at 2026-11-25T14:00:00Z and no next run is known";
        let room = MAX_BYTES - tail.len() - '…'.len_utf8();
        for (length, is_behind) in [(room, true), (room + 1, false)] {
            let warning = Finding::new(Reason::RegistryUnavailable, "c".repeat(length)).as_warning();
            let message = of_finding(&warning, 1, &expiring(), &context);
            assert!(message.starts_with(&warning.cause), "{message}");
            assert_eq!(message.ends_with(tail), is_behind, "{message}");
            assert!(message.len() <= MAX_BYTES, "{message}");
        }
    }

    #[test]
    fn in_sentence_lowers_the_first_letter_except_of_names() {
        for (sentence, second_half) in [
            ("Apply it.", "apply it."),
            ("PULL_SECRET_NAME is it.", "PULL_SECRET_NAME is it."),
            ("A", "A"),
            ("", ""),
        ] {
            assert_eq!(in_sentence(sentence), second_half);
        }
    }

    #[test]
    fn success_message_counts_images_and_registries() {
        let check = || crate::outcome::Check {
            subject: "quay.io".to_owned(),
            verified: Verified::Pull,
            reason: None,
        };
        for (verified, count, expected) in [
            (Verified::Pull, 1, "pulls the image"),
            (Verified::Pull, 2, "pulls all 2 images"),
            (Verified::Login, 1, "is accepted by the registry"),
            (Verified::Login, 2, "is accepted by all 2 registries"),
            (
                Verified::Review,
                1,
                "is accepted by the API server; the registry was not contacted",
            ),
            (
                Verified::None,
                1,
                "is well-formed; the credential was not verified",
            ),
        ] {
            let outcome = Outcome {
                verified,
                images: (0..count).map(|_| check()).collect(),
                registries: (0..count).map(|_| check()).collect(),
                ..Outcome::default()
            };
            for (next_run_unknown, end) in [(false, ""), (true, " and no next run is known")] {
                let context = ReportContext {
                    namespace: None,
                    name: Some("pull".to_owned()),
                    next_run_unknown,
                    ..ReportContext::default()
                };
                assert_eq!(
                    of_success(&outcome, &context),
                    format!("pull {expected}; its credential has no known expiry{end}")
                );
            }
        }
        assert!(
            of_success(&Outcome::default(), &ReportContext::default())
                .starts_with("the secret is well-formed")
        );
    }

    #[test]
    fn doctor_message_counts_passed_checks_and_warnings() {
        let doctor = ReportContext {
            mode: Some(Mode::Doctor),
            ..context()
        };
        for (warnings, expected) in [
            (0, "all 2 checks passed"),
            (1, "2 checks passed, 1 warning; the log has its remedy"),
            (2, "2 checks passed, 2 warnings; the log has their remedies"),
        ] {
            let fine = crate::outcome::DoctorCheck::ok("clock", "it is right");
            let warning = crate::outcome::DoctorCheck {
                warning: true,
                ..fine.clone()
            };
            let lines = [vec![fine; 2], vec![warning; warnings]].concat();
            let outcome = Outcome {
                lines,
                ..Outcome::default()
            };
            assert_eq!(of_success(&outcome, &doctor), expected);
        }
    }

    #[test]
    fn plan_message_has_the_change_and_its_cause() {
        for (action, would) in [
            (Action::Created, "create"),
            (Action::Repaired, "repair"),
            (Action::Refreshed, "refresh"),
        ] {
            let outcome = Outcome {
                plan: Some(Plan {
                    action,
                    because: Some("it is due"),
                    diff: crate::outcome::Diff::default(),
                }),
                ..Outcome::default()
            };
            assert_eq!(
                of_success(&outcome, &context()),
                format!("ensure would {would} private-ai-demo/internal-registry-private-ai: it is due")
            );
        }
    }

    #[test]
    fn finding_message_counts_all_findings() {
        let finding = Finding::new(Reason::TagMissing, "no such tag");
        let message = of_finding(&finding, 3, &Outcome::default(), &context());
        assert!(
            message.starts_with("no such tag (first of 3 findings); push the tag"),
            "{message}"
        );
    }

    #[test]
    fn message_is_one_line() {
        let finding = Finding::new(Reason::Internal, "a\nb\u{1b}[2J").with_remedy("c\r\nd");
        assert_eq!(
            of_finding(&finding, 1, &Outcome::default(), &context()),
            "a b [2J; c d"
        );
    }

    #[test]
    fn escaped_characters_are_cut_earlier() {
        for (letter, kept) in [("<", 82), ("\"", 248), ("\u{2028}", 82), ("é", 148)] {
            let message = cut(&letter.repeat(300), MAX_BYTES, MAX_ESCAPED);
            assert_eq!(message, format!("{}…", letter.repeat(kept)));
        }
    }
}
