//! The gateway against what OpenShift's registry was seen to answer: each row of `src/registry/openshift-rows`.

mod asking;
mod backstage;
mod comparing;
mod rows;
mod scenarios;
mod stage;

use self::asking::Asker;
use self::rows::{Play, rows};
use self::stage::Stage;
use crate::world::World;

#[test]
fn each_row_has_a_case_or_a_reason_why_it_has_none() {
    let rows = rows();
    for row in &rows {
        match row.play() {
            Ok(Play::Asked(_)) => {
                assert!(
                    !row.ask.is_empty() && !row.r#as.is_empty(),
                    "{} asks nothing",
                    row.row
                );
            }
            Ok(Play::Scenario(name)) => {
                assert!(
                    scenarios::NAMES.contains(&name),
                    "{}: no scenario {name}",
                    row.row
                );
            }
            Ok(Play::LeftOut(reason)) => assert!(reason.len() > 20, "{}: why is it left out?", row.row),
            Err(error) => panic!("{}: {error}", row.row),
        }
    }
    for name in scenarios::NAMES {
        let used = rows.iter().any(|row| row.scenario.as_deref() == Some(name));
        assert!(used, "scenario {name} belongs to no row");
    }
}

#[tokio::test]
async fn gateway_gives_the_response_of_each_row() {
    let world = World::shared();
    let shared = Stage::new(world, None).await;
    let mut wrong = Vec::new();
    let rows = rows();
    let mut stages = Vec::new();
    for row in &rows {
        stages.push(if row.needs_a_stage_of_its_own() {
            Some(Stage::new(world, Some(row)).await)
        } else {
            None
        });
    }
    std::thread::scope(|scope| {
        let running = rows.iter().zip(&stages).filter_map(|(row, stage)| {
            let Ok(Play::Asked(answer)) = row.play() else {
                return None;
            };
            let asker = Asker::new(world, stage.as_ref().unwrap_or(&shared));
            Some(scope.spawn(move || asker.ask_all(row, answer)))
        });
        // Collected first: all rows run at the same time.
        for row in running.collect::<Vec<_>>() {
            wrong.extend(row.join().expect("a row's answers are compared, not asserted"));
        }
    });
    assert!(
        wrong.is_empty(),
        "{} wrong answers:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn access_review_gives_the_result_of_each_row() {
    let world = World::shared();
    for row in rows().iter().filter(|row| !row.review.is_empty()) {
        let stage = Stage::new(world, Some(row)).await;
        for (form, allowed) in &row.review {
            assert_eq!(stage.review(world, form).await, *allowed, "{}: {form}", row.row);
        }
    }
}
