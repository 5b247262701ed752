import Planning
import TestSupport
import Testing
import Topology

@Suite("Schedules")
struct ScheduleTests {
  static let seeds = 0..<120

  @Test("finish any work, in legal order, however messages travel", arguments: SchedulePolicy.allCases, seeds)
  func synthetic(policy: SchedulePolicy, seed: Int) { check(RandomWork.synthetic(seed: seed, policy), seed: seed) }

  @Test("finish the work that plans make, forward and backward", arguments: SchedulePolicy.allCases, seeds)
  func planned(policy: SchedulePolicy, seed: Int) { check(RandomWork.planned(seed: seed, policy), seed: seed) }

  private func check(_ random: RandomWork, seed: Int) {
    let job = SimulatedJob(random.works, random.setting, seed: seed)
    #expect(job.faults == [], "\(random.setting)")
    guard job.faults.isEmpty else { return }
    for (work, actions) in zip(random.works, job.actions) {
      let counts = Counts(actions)
      #expect(counts.tasks == Array(0..<work.taskCount))
      #expect(counts.finals == Array(0..<work.finalTaskCount))
      for peer in 0..<work.rankCount {
        #expect(counts.rows[peer] ?? [] == Array(0..<Int(work.dispatchChunks[peer])))
        #expect(counts.results[peer] ?? [] == Array(0..<Int(work.returnChunks[peer])))
      }
      #expect(actions.last == .finish)
    }
  }

  /// What a list of actions does, taken apart.
  private struct Counts {
    var tasks: [Int] = []
    var finals: [Int] = []
    var rows: [Int: [Int]] = [:]
    var results: [Int: [Int]] = [:]

    init(_ actions: [ScheduleAction]) {
      for action in actions {
        switch action {
        case .send(let peer, let chunk): rows[peer, default: []].append(chunk)
        case .returnResults(let peer, let chunk): results[peer, default: []].append(chunk)
        case .compute(let runs): tasks += runs.joined()
        case .finalize(let some): finals += some
        case .await, .finish: break
        }
      }
      tasks.sort()
      finals.sort()
    }
  }

  /// Random jobs prove something only if they reach what the rules speak of.
  @Test("are tried where windows fill, groups do not divide, and own and remote tasks compete")
  func coverage() {
    let jobs = Self.seeds.map { RandomWork.synthetic(seed: $0, .pairwise) }
    #expect(jobs.contains { $0.works.count % $0.setting.groupSize != 0 && $0.setting.groupSize < $0.works.count })
    #expect(jobs.contains { $0.setting.groupSize > $0.works.count })
    #expect(jobs.contains { job in job.works.contains { $0.arrivalChunks.count > $0.rankCount } })
    #expect(
      jobs.contains { job in job.works.contains { $0.dispatchChunks.contains { $0 > job.setting.window.perPeer } } })
    let planned = Self.seeds.flatMap { RandomWork.planned(seed: $0, .eager).works }
    #expect(
      planned.contains { work in (0..<work.taskCount).contains(where: work.isOwn) && work.needs.contains { !$0.isEmpty }
      })
    #expect(planned.contains { $0.arrivalChunks.count > $0.rankCount })
    #expect(planned.contains { $0.finalTaskCount > 0 && $0.returnChunks.contains { $0 > 2 } })
  }
}
