import Planning
import TestSupport
import Testing

@Suite("Sequential schedule")
struct SequentialScheduleTests {
  @Test("lets everything arrive, computes everything, returns everything")
  func text() {
    var schedule = SequentialSchedule(peers: [1, 2], stages: [0..<4, 4..<6])
    var lines: [String] = []
    func next() { lines.append("\(schedule.next())") }
    next()
    schedule.note(.arrived(source: 2))
    next()
    schedule.note(.sent)
    next()
    schedule.note(.arrived(source: 1))
    next()
    schedule.note(.computed(0..<4))
    next()
    schedule.note(.computed(4..<6))
    for _ in 0..<3 { next() }
    schedule.note(.returned(peer: 2))
    schedule.note(.returned(peer: 1))
    next()
    schedule.note(.sent)
    next()
    #expect(
      lines == [
        "await", "await", "await", "compute 0..<4", "compute 4..<6", "return 1", "return 2", "await", "await", "finish",
      ])
  }

  @Test("needs no messages on one rank")
  func alone() {
    var schedule = SequentialSchedule(peers: [], stages: [0..<3])
    #expect(schedule.next() == .compute(0..<3))
    schedule.note(.computed(0..<3))
    #expect(schedule.next() == .finish)
  }

  @Test("returns results without computing when there is nothing to compute")
  func noStages() {
    var schedule = SequentialSchedule(peers: [1], stages: [])
    #expect(schedule.next() == .await)
    schedule.note(.arrived(source: 1))
    schedule.note(.sent)
    #expect(schedule.next() == .returnResults(source: 1))
  }

  @Test("takes results that come before its own work is done")
  func earlyResults() {
    var schedule = SequentialSchedule(peers: [1], stages: [0..<1])
    schedule.note(.returned(peer: 1))
    #expect(schedule.next() == .await)
    schedule.note(.arrived(source: 1))
    schedule.note(.sent)
    #expect(schedule.next() == .compute(0..<1))
    schedule.note(.computed(0..<1))
    #expect(schedule.next() == .returnResults(source: 1))
    #expect(schedule.next() == .await)
    schedule.note(.sent)
    #expect(schedule.next() == .finish)
  }

  @Test("never stalls, in whatever order messages arrive", arguments: 0..<200)
  func randomArrivals(seed: Int) {
    var job = SimulatedJob(seed: seed)
    #expect(job.run() == "finished")
    for rank in job.ranks {
      let actions = rank.actions
      #expect(actions.compactMap(\.stage) == Array(0..<rank.stageCount))
      #expect(
        Set(actions.compactMap(\.source)) == Set(rank.peers) && actions.compactMap(\.source).count == rank.peers.count)
      #expect(actions.last == .finish)
      // All computing before all returning.
      let lastCompute = actions.lastIndex { $0.stage != nil } ?? -1
      #expect(lastCompute < actions.firstIndex { $0.source != nil } ?? .max)
      #expect(rank.violations == [])
    }
  }
}

extension ScheduleAction {
  /// The stage, when each stage is one task of the same number.
  fileprivate var stage: Int? { if case .compute(let tasks) = self { tasks.lowerBound } else { nil } }
  fileprivate var source: Int? { if case .returnResults(let source) = self { source } else { nil } }
}

/// All ranks' schedules and the messages between them, delivered in random order.
private struct SimulatedJob {
  struct Message {
    let from, to: Int
    let isResult: Bool
  }

  struct SimulatedRank {
    let peers: [Int]
    let stageCount: Int
    var schedule: SequentialSchedule
    var actions: [ScheduleAction] = []
    /// Delivered, not yet looked at.
    var events: [ScheduleEvent] = []
    var missingRows: Set<Int>
    var missingResults: Set<Int>
    var violations: [String] = []
    var isWaiting = false
    var hasSaidSent = false
    var isFinished = false
  }

  var ranks: [SimulatedRank]
  private var inFlight: [Message]
  private var generator: SeededGenerator
  /// Pairs that have nothing to send each other.
  private let isSilent: [[Bool]]

  init(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    let count = Int.random(in: 1...5, using: &generator)
    let silence = (0..<count).map { _ in (0..<count).map { _ in Int.random(in: 0..<4, using: &generator) == 0 } }
    isSilent = silence
    var ranks = (0..<count).map { rank in
      let peers = (0..<count).filter { $0 != rank }
      let stageCount = Int.random(in: 0...2, using: &generator)
      let schedule = SequentialSchedule(peers: peers, stages: (0..<stageCount).map { $0..<$0 + 1 })
      return SimulatedRank(
        peers: peers, stageCount: stageCount, schedule: schedule,
        missingRows: Set(peers.filter { !silence[$0][rank] }), missingResults: Set(peers.filter { !silence[rank][$0] }))
    }
    var messages: [Message] = []
    for (rank, state) in ranks.enumerated() {
      for peer in state.peers {
        if silence[rank][peer] {
          ranks[peer].schedule.note(.arrived(source: rank))
          ranks[rank].schedule.note(.returned(peer: peer))
        } else {
          messages.append(Message(from: rank, to: peer, isResult: false))
        }
      }
    }
    self.ranks = ranks
    inFlight = messages
    self.generator = generator
  }

  mutating func run() -> String {
    for _ in 0..<10_000 {
      if ranks.allSatisfy(\.isFinished) { return "finished" }
      let canStep = ranks.indices.filter { !ranks[$0].isFinished && !(ranks[$0].isWaiting && !hasNews($0)) }
      if let rank = canStep.randomElement(using: &generator), inFlight.isEmpty || Bool.random(using: &generator) {
        step(rank)
      } else if !inFlight.isEmpty {
        deliver(Int.random(in: inFlight.indices, using: &generator))
      } else {
        return "stalled: \(ranks.indices.filter { !ranks[$0].isFinished })"
      }
    }
    return "no end"
  }

  private func hasLeft(_ rank: Int) -> Bool { !inFlight.contains { $0.from == rank } }

  /// Something to tell the schedule of a rank that waits.
  private func hasNews(_ rank: Int) -> Bool {
    !ranks[rank].events.isEmpty || (hasLeft(rank) && !ranks[rank].hasSaidSent)
  }

  private mutating func step(_ rank: Int) {
    if ranks[rank].isWaiting {
      let events = ranks[rank].events.shuffled(using: &generator)
      for event in events { ranks[rank].schedule.note(event) }
      ranks[rank].events = []
      if hasLeft(rank) {
        ranks[rank].schedule.note(.sent)
        ranks[rank].hasSaidSent = true
      }
      ranks[rank].isWaiting = false
    }
    let action = ranks[rank].schedule.next()
    ranks[rank].actions.append(action)
    switch action {
    case .await:
      ranks[rank].isWaiting = true
    case .compute(let tasks):
      if !ranks[rank].missingRows.isEmpty { ranks[rank].violations.append("\(action) before all rows") }
      ranks[rank].schedule.note(.computed(tasks))
    case .returnResults(let source):
      ranks[rank].hasSaidSent = false
      if !isSilent[source][rank] { inFlight.append(Message(from: rank, to: source, isResult: true)) }
    case .finish:
      if !ranks[rank].missingResults.isEmpty { ranks[rank].violations.append("finish before all results") }
      if !hasLeft(rank) { ranks[rank].violations.append("finish with messages in flight") }
      ranks[rank].isFinished = true
    }
  }

  private mutating func deliver(_ index: Int) {
    let message = inFlight.remove(at: index)
    if message.isResult {
      ranks[message.to].missingResults.remove(message.from)
      ranks[message.to].events.append(.returned(peer: message.from))
    } else {
      ranks[message.to].missingRows.remove(message.from)
      ranks[message.to].events.append(.arrived(source: message.from))
    }
  }
}
