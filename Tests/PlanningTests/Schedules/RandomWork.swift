import Planning
import TestSupport
import Topology

/// The work of all ranks of a job, drawn at random.
struct RandomWork {
  let works: [ExchangeWork]
  let setting: ScheduleSetting

  /// Work that no plan makes: tasks need and feed anything, peers owe results for nothing, streams bring results too.
  static func synthetic(seed: Int, _ policy: SchedulePolicy) -> RandomWork {
    var generator = SeededGenerator(seed: seed)
    let rankCount = Int.random(in: 1...6, using: &generator)
    let rows = generator.chunkCounts(rankCount)
    let results = generator.chunkCounts(rankCount)
    let works = (0..<rankCount).map { rank in
      work(
        rank: rank, dispatch: rows[rank], arrivals: rows.map { $0[rank] }, returns: results[rank],
        results: results.map { $0[rank] }, &generator)
    }
    return RandomWork(works: works, setting: .random(policy, rankCount: rankCount, &generator))
  }

  private static func work(
    rank: Int, dispatch: [Int32], arrivals: [Int32], returns: [Int32], results: [Int32],
    _ generator: inout SeededGenerator
  ) -> ExchangeWork {
    let streams = (0..<[0, 0, 1, 3].random(&generator)).map { _ in Int32.random(in: 1...2, using: &generator) }
    let arrivals = arrivals + streams
    let taskCount = Int.random(in: 0...12, using: &generator)
    let needs = (0..<taskCount).map { _ in
      arrivals.indices.filter { _ in Int.random(in: 0..<3, using: &generator) == 0 }.compactMap { source in
        arrivals[source] == 0
          ? nil
          : ExchangeWork.Need(
            source: source, chunkCount: Int.random(in: 1...Int(arrivals[source]), using: &generator))
      }
    }
    let chunks = returns.indices.flatMap { peer in
      (0..<Int(returns[peer])).map { ExchangeWork.Feed(source: peer, chunk: $0) }
    }
    let feeds = (0..<taskCount).map { _ in
      chunks.filter { _ in Int.random(in: 0..<4, using: &generator) == 0 }
    }
    return ExchangeWork(
      rank: rank, dispatchChunks: dispatch, arrivalChunks: arrivals, returnChunks: returns,
      resultChunks: results + streams.map { _ in Int32.random(in: 0...1, using: &generator) }, needs: needs,
      feeds: feeds, taskExperts: (0..<taskCount).map { _ in Int32.random(in: 0..<4, using: &generator) },
      taskRows: (0..<taskCount).map { _ in Int32.random(in: 1...4, using: &generator) * 16 },
      // An expert's final tasks lie together; some experts have no row task, some no final task.
      finalExperts: (0..<4).flatMap { expert in
        Array(repeating: Int32(expert), count: Int.random(in: 0...3, using: &generator))
      }, travellingExperts: Set((0..<4).filter { _ in Int.random(in: 0..<3, using: &generator) == 0 }))
  }

  /// Work that plans make of a random exchange, forward with streams of shadows' parameters or backward.
  static func planned(seed: Int, _ policy: SchedulePolicy) -> RandomWork {
    var generator = SeededGenerator(seed: seed)
    let exchange = RandomExchange(seed: seed, rankCounts: 1...6, tokenCounts: 0...90, isShadowed: seed % 3 == 0)
    let plans = exchange.exchangePlans(&generator)
    let isForward = Bool.random(using: &generator)
    let works = plans.map { plan in
      let hosted = exchange.placement.experts(of: plan.own).count
      let experts = (0..<plan.received.expertCount).map(LocalExpert.init)
      return isForward
        ? plan.forwardWork(streams: Array(experts.dropFirst(hosted)))
        : plan.backwardWork(
          finalExperts: experts.flatMap { [$0, $0] }, travelling: Array(experts.dropFirst(hosted)))
    }
    return RandomWork(works: works, setting: .random(policy, rankCount: plans.count, &generator))
  }
}

extension ScheduleSetting {
  static func random(
    _ policy: SchedulePolicy, rankCount: Int, _ generator: inout SeededGenerator
  ) -> ScheduleSetting {
    let perPeer = [1, 1, 2, 8].random(&generator)
    return ScheduleSetting(
      policy: policy,
      window: SendWindow(total: perPeer + [0, 0, 1, 8].random(&generator), perPeer: perPeer),
      groupSize: Int.random(in: 1...rankCount + 2, using: &generator),
      parallelism: Int.random(in: 1...3, using: &generator), runRows: [16, 32, 64, 640].random(&generator))
  }
}

extension SeededGenerator {
  /// How many chunks each rank has for each other; none for itself. [P][P]
  fileprivate mutating func chunkCounts(_ rankCount: Int) -> [[Int32]] {
    (0..<rankCount).map { rank in
      (0..<rankCount).map { $0 == rank ? 0 : max(0, Int32.random(in: -2...6, using: &self)) }
    }
  }
}
