//! What each cause asks for, and what it waits for, as far as one thread can tell.

use super::*;

fn waited(answer: &Answer) -> bool {
    matches!(answer, Answer::Waited(_))
}

/// What the driver was last asked for.
fn wanted(requests: &Requests) -> Option<Scope> {
    requests.lock().wanted.map(|(scope, _)| scope)
}

#[test]
fn allocation_asks_for_a_minor_cycle_once_and_goes_on() {
    let requests = Requests::default();
    assert!(waited(&requests.ask(Cause::Allocation, false)));
    assert_eq!(wanted(&requests), Some(Scope::Minor));
    assert_eq!(requests.begin(), Some((Scope::Minor, Cause::Allocation)));
    assert!(waited(&requests.ask(Cause::Allocation, false)));
    assert_eq!(wanted(&requests), None, "a cycle is running");
    requests.end();
    assert!(waited(&requests.ask(Cause::Allocation, false)));
    assert_eq!(wanted(&requests), Some(Scope::Minor));
}

#[test]
fn what_needs_a_full_cycle_goes_before_what_does_not() {
    let mut state = State::default();
    state.want(Scope::Minor, Cause::Allocation);
    state.want(Scope::Full, Cause::Request);
    state.want(Scope::Minor, Cause::Allocation);
    assert_eq!(state.wanted, Some((Scope::Full, Cause::Request)));
}

#[test]
fn after_the_end_of_the_driver_everybody_is_told_so() {
    let requests = Requests::default();
    requests.ask(Cause::Allocation, false);
    requests.shut_down();
    assert_eq!(requests.begin(), None, "what is still wanted is not begun");
    for cause in [Cause::Allocation, Cause::Exhaustion, Cause::Request] {
        assert_eq!(requests.ask(cause, true), Answer::ShutDown, "{cause:?}");
    }
    requests.fail("why".to_owned());
    assert_eq!(requests.ask(Cause::Request, false), Answer::Failed("why".to_owned()));
}
