package import Communication
import Synchronization
import Topology

/// Runs a case over the loopback transport: every rank is a thread of this process.
///
/// - Parameter faults: what happens to messages on their way; nil delivers them all.
package func runOnThreads(
  _ rankCase: RankCase, ranks: Int, waitLimit: Duration = .seconds(20), faults: LoopbackFabric.FaultRule? = nil
) -> CaseReport {
  let results = LoopbackFabric(ranks: ranks, faults: faults).run(waitLimit: waitLimit) { communicator in
    let recorder = ThreadRecorder()
    communicator.job.observer = recorder
    let context = RankContext(world: communicator, recorder: recorder)
    do {
      try rankCase.body(context)
      recorder.record(.finished(isJobBroken: communicator.job.hasFailed))
    } catch {
      recorder.record(.stopped(error: "\(error)"))
    }
    return recorder.outcome
  }
  return CaseReport(caseName: rankCase.name, ranks: results.compactMap { try? $0.get() })
}

private final class ThreadRecorder: RankRecorder, JobObserver {
  private(set) var outcome = RankOutcome()

  func record(_ record: RankRecord) { outcome.records.append(record) }
  func stands(at place: String) { outcome.standing = place }
  func activityChanged(to activity: Activity) {}
  func waitStalled(in operation: String) {}
  func waitResumed() {}
}
