//! What each cause asks for, and what it waits for, as far as one thread can tell.

use super::*;

/// Asks, and goes on at once.
fn goes_on(requests: &Requests) -> bool {
    let wish = requests.ask(Cause::Allocation);
    requests.answer(wish) == Some(Answer::Served)
}

/// What the driver was last asked for.
fn wanted(requests: &Requests) -> Option<Scope> {
    requests.lock().wanted.map(|(scope, _)| scope)
}

#[test]
fn allocation_asks_for_a_minor_cycle_once_and_goes_on() {
    let requests = Requests::default();
    assert!(goes_on(&requests));
    assert_eq!(wanted(&requests), Some(Scope::Minor));
    assert_eq!(requests.begin(), Some((Scope::Minor, Cause::Allocation)));
    assert!(goes_on(&requests));
    assert_eq!(wanted(&requests), None, "a cycle is running");
    requests.end();
    assert!(goes_on(&requests));
    assert_eq!(wanted(&requests), Some(Scope::Minor));
}

#[test]
fn exhaustion_waits_for_the_cycle_that_was_asked_for_and_asks_for_a_full_one_where_there_is_none() {
    let requests = Requests::default();
    requests.ask(Cause::Allocation);
    let wish = requests.ask(Cause::Exhaustion);
    assert_eq!((wanted(&requests), requests.answer(wish)), (Some(Scope::Minor), None));
    requests.begin();
    requests.end();
    assert_eq!(requests.answer(wish), Some(Answer::Served));
    requests.ask(Cause::Exhaustion);
    assert_eq!(wanted(&requests), Some(Scope::Full));
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
    requests.ask(Cause::Allocation);
    requests.shut_down();
    assert_eq!(requests.begin(), None, "what is still wanted is not begun");
    for cause in [Cause::Allocation, Cause::Exhaustion, Cause::Request] {
        let wish = requests.ask(cause);
        assert_eq!(requests.answer(wish), Some(Answer::ShutDown), "{cause:?}");
    }
    requests.fail("why".to_owned());
    let wish = requests.ask(Cause::Request);
    assert_eq!(requests.answer(wish), Some(Answer::Failed("why".to_owned())));
}

#[test]
fn a_request_for_the_young_is_served_by_any_cycle_that_begins_after_it() {
    let requests = Requests::default();
    let wish = requests.ask(Cause::RequestYoung);
    assert_eq!((wanted(&requests), requests.answer(wish)), (Some(Scope::Minor), None));
    requests.begin();
    let later = requests.ask(Cause::RequestYoung);
    requests.end();
    assert_eq!((requests.answer(wish), requests.answer(later)), (Some(Answer::Served), None));
}
