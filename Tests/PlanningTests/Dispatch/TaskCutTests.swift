import Planning
import TestSupport
import Testing
import Topology

@Suite("Task cut")
struct TaskCutTests {
  /// Groups of one expert, rows of each source, on every rank; counts up to several tasks.
  struct Example {
    let sourceCounts: [Int]
    let own: Rank
    let cut: TaskCut
    let received: ReceivePlan

    init(seed: Int) {
      var generator = SeededGenerator(seed: seed)
      let rankCount = Int.random(in: 1...5, using: &generator)
      let largest = Int.random(in: 16...160, using: &generator)
      let counts = (0..<rankCount).map { _ in
        Bool.random(using: &generator) ? Int.random(in: 0...300, using: &generator) : 0
      }
      self.init(
        counts, own: Int.random(in: 0..<rankCount, using: &generator),
        TaskCut(largest: largest, smallest: Int.random(in: 1...largest, using: &generator)))
    }

    init(_ sourceCounts: [Int], own: Int, _ cut: TaskCut) {
      self.sourceCounts = sourceCounts
      self.own = Rank(own)
      self.cut = cut
      let placement = ExpertPlacement(expertCount: sourceCounts.count, rankCount: sourceCounts.count)
      let experts = sourceCounts.map { Array(repeating: Int32(own), count: $0) }
      received = ReceivePlan(
        experts.enumerated().map { source, ids in
          let decision = RoutingDecision(expertsPerToken: 1, expertIDs: ids, gateWeights: ids.map { _ in 1 })
          let plan = DispatchPlan(decision, placement: placement, rank: Rank(source))
          return DispatchManifest(plan, to: Rank(own), sequence: 0, hiddenSize: 1)
        })
    }

    var unjoined: Example {
      Example(sourceCounts, own: own.index, TaskCut(largest: cut.largest, smallest: 1))
    }

    var tasks: [RowTask] { cut.tasks(received, own: own) }

    /// How many rows of each source a range has.
    func counts(in rows: Range<Int>) -> [Int] {
      var end = 0
      return sourceCounts.map { count in
        end += count
        return rows.clamped(to: end - count..<end).count
      }
    }
  }

  static let seeds = 0..<200

  @Test("covers all rows and their padding once, at multiples of the alignment", arguments: ExchangePlanTests.seeds)
  func coverage(seed: Int) {
    for plan in ExchangePlanTests.plans(seed: seed).plans {
      #expect(plan.tasks.flatMap { Array($0.rows) } == Array(0..<plan.received.paddedRowCount))
      for task in plan.tasks {
        let group = plan.received.paddedGroup(task.expert)
        #expect(!task.rows.isEmpty && group.contains(task.rows.lowerBound) && group.upperBound >= task.rows.upperBound)
        #expect(task.rows.lowerBound % 16 == 0 && task.rows.upperBound % 16 == 0)
      }
    }
  }

  @Test("makes no task too large, and none too small that a neighbour could take", arguments: seeds)
  func sizes(seed: Int) {
    let example = Example(seed: seed)
    let tasks = example.tasks
    #expect(tasks.flatMap { Array($0.rows) } == Array(0..<example.received.paddedRowCount))
    #expect(tasks.allSatisfy { $0.rows.count <= example.cut.largest }, "\(tasks.map(\.rows)) \(example.cut)")
    // Joined pieces have `smallest` rows at least; divided evenly they have half of `largest`, or are whole.
    let isSmall = tasks.map { $0.rows.count < min(example.cut.smallest, example.cut.largest / 2 / 16 * 16) }
    #expect(!isSmall.contains(true) || tasks.count == 1, "\(tasks.map(\.rows)) \(example.cut)")
  }

  @Test("joins no rows of different sources but at their border where pieces are large enough", arguments: seeds)
  func borders(seed: Int) {
    let example = Example(seed: seed).unjoined
    for task in example.tasks {
      let counts = example.counts(in: task.rows)
      // Own rows leave less than an alignment's to the next source, any other takes less than that of the next.
      #expect(counts.reduce(0, +) - (counts.max() ?? 0) < 2 * ReceivePlan.alignment, "\(task.rows): \(counts)")
    }
  }

  @Test("cuts where a source's rows end, own rows apart")
  func example() {
    let cut = TaskCut(largest: 64, smallest: 16)
    // Rank 0 sends 40, rank 1 has 50 itself, rank 2 sends 20: rows 0–39, 40–89, 90–109.
    #expect(Example([40, 50, 20], own: 1, cut).tasks.map(\.rows) == [0..<48, 48..<80, 80..<112])
    // The same rows of peers alone are cut behind each end.
    #expect(Example([40, 50, 20, 0], own: 3, cut).tasks.map(\.rows) == [0..<48, 48..<96, 96..<112])
    // Pieces below 32 rows are joined with the one before; 64 rows at most are computed at once.
    let joining = TaskCut(largest: 64, smallest: 32)
    #expect(Example([40, 50, 20], own: 1, joining).tasks.map(\.rows) == [0..<48, 48..<80, 80..<112])
    #expect(Example([40, 50, 20, 0], own: 3, joining).tasks.map(\.rows) == [0..<48, 48..<112])
    #expect(Example([0, 160], own: 1, joining).tasks.map(\.rows) == [0..<48, 48..<96, 96..<160])
  }

  @Test("computes own rows without waiting", arguments: seeds)
  func ownRows(seed: Int) {
    let example = Example(seed: seed).unjoined
    let ownCount = example.sourceCounts[example.own.index]
    let pure = example.tasks.filter { task in
      let counts = example.counts(in: task.rows)
      return counts.reduce(0, +) == counts[example.own.index]
    }
    // Up to an alignment's rows at either end may lie in a task of the neighbours.
    #expect(pure.reduce(0) { $0 + $1.rows.count } > ownCount - 2 * ReceivePlan.alignment)
  }
}
