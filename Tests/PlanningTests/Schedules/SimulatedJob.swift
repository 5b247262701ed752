import Planning
import TestSupport

/// All ranks' machines together, with messages that travel in random order: in order only between two ranks and of one
/// kind, sends complete before or after they are delivered, streams come at any time. In some jobs one kind of thing
/// happens only when nothing else can.
struct SimulatedJob {
  /// What went wrong; empty if the job did as it should.
  private(set) var faults: [String] = []
  /// What each rank did, in order. [P]
  private(set) var actions: [[ScheduleAction]]
  private let rule: any ScheduleRule
  private var ranks: [SimulatedRank]
  private var generator: SeededGenerator
  private let laziness: Laziness

  private enum Laziness: CaseIterable { case none, acts, deliveries, completions, streams }

  /// - Parameter works: one per rank.
  init(_ works: [ExchangeWork], _ setting: ScheduleSetting, seed: Int) {
    rule = setting.rule
    generator = SeededGenerator(seed: seed)
    laziness = Laziness.allCases.randomElement(using: &generator) ?? .none
    actions = works.map { _ in [] }
    ranks = works.map { work in
      SimulatedRank(
        schedule: setting.schedule(work), progress: RankProgress(work, window: setting.window),
        unsentStreams: Self.streams(of: work))
    }
    run()
  }

  /// What reaches a rank from nowhere among the ranks.
  private static func streams(of work: ExchangeWork) -> [ScheduleEvent] {
    let rows = work.arrivalChunks.indices.dropFirst(work.rankCount).flatMap { source in
      Array(repeating: ScheduleEvent.arrived(source: source), count: Int(work.arrivalChunks[source]))
    }
    return rows
      + work.resultChunks.indices.dropFirst(work.rankCount).flatMap { peer in
        Array(repeating: ScheduleEvent.returned(peer: peer), count: Int(work.resultChunks[peer]))
      }
  }

  private mutating func run() {
    while faults.isEmpty {
      guard let move = randomMove() else { break }
      switch move {
      case .act(let rank): act(rank)
      case .deliver(let sender, let receiver, let kind): deliver(from: sender, to: receiver, kind)
      case .complete(let rank, let peer): tell(rank, .sent(peer: peer))
      case .stream(let rank): tell(rank, ranks[rank].unsentStreams.removeFirst())
      }
    }
    guard faults.isEmpty else { return }
    faults = ranks.indices.filter { !ranks[$0].isFinished }.map { "rank \($0) is stuck" }
  }
}

extension SimulatedJob {
  private enum Move {
    case act(Int)
    case deliver(from: Int, to: Int, MessageKind)
    case complete(Int, peer: Int)
    case stream(Int)
  }

  /// One of the moves that are possible; nil when nothing can happen any more.
  private mutating func randomMove() -> Move? {
    let moves = possibleMoves
    return moves.filter { !isLazy($0) }.randomElement(using: &generator) ?? moves.randomElement(using: &generator)
  }

  private func isLazy(_ move: Move) -> Bool {
    switch move {
    case .act: laziness == .acts
    case .deliver: laziness == .deliveries
    case .complete: laziness == .completions
    case .stream: laziness == .streams
    }
  }

  private var possibleMoves: [Move] {
    var moves: [Move] = []
    for (rank, state) in ranks.enumerated() {
      if !state.isFinished && !state.isWaiting { moves.append(.act(rank)) }
      if !state.unsentStreams.isEmpty { moves.append(.stream(rank)) }
      for peer in ranks.indices {
        if state.progress.inFlight[peer] > 0 { moves.append(.complete(rank, peer: peer)) }
        for kind in MessageKind.allCases where state.underWay(kind, peer) > 0 {
          moves.append(.deliver(from: rank, to: peer, kind))
        }
      }
    }
    return moves
  }

  private mutating func act(_ rank: Int) {
    let action = ranks[rank].schedule.next()
    actions[rank].append(action)
    let progress = ranks[rank].progress
    guard progress.allows(action) else { return report("cannot \(action)", rank) }
    if let objection = rule.objection(to: action, progress) { return report("\(action): \(objection)", rank) }
    if case .await = action, let missed = progress.possibleActions.first(where: { rule.permits($0, progress) }) {
      return report("awaits where it could \(missed)", rank)
    }
    ranks[rank].carryOut(action)
  }

  private mutating func deliver(from sender: Int, to receiver: Int, _ kind: MessageKind) {
    ranks[sender].delivered[MessageKey(kind: kind, peer: receiver), default: 0] += 1
    switch kind {
    case .rows: tell(receiver, .arrived(source: sender))
    case .results: tell(receiver, .returned(peer: sender))
    }
  }

  private mutating func tell(_ rank: Int, _ event: ScheduleEvent) {
    guard ranks[rank].isExpected(event) else { return report("\(event) was not expected", rank) }
    ranks[rank].note(event)
  }

  private mutating func report(_ fault: String, _ rank: Int) {
    faults.append("rank \(rank) after \(actions[rank].count) actions: \(fault)")
  }
}

/// Rows go to an expert, results come back from it.
enum MessageKind: Hashable, CaseIterable { case rows, results }

private struct MessageKey: Hashable {
  let kind: MessageKind
  let peer: Int
}

/// One rank of a simulated job.
private struct SimulatedRank {
  var schedule: any ExchangeSchedule
  var progress: RankProgress
  var unsentStreams: [ScheduleEvent]
  /// Messages that have reached their receivers.
  var delivered: [MessageKey: Int] = [:]
  /// It has said that it awaits, and nothing has happened since.
  var isWaiting = false
  var isFinished = false

  func underWay(_ kind: MessageKind, _ peer: Int) -> Int {
    let sent = kind == .rows ? progress.sentRows[peer] : progress.sentResults[peer]
    return sent - (delivered[MessageKey(kind: kind, peer: peer)] ?? 0)
  }

  func isExpected(_ event: ScheduleEvent) -> Bool {
    switch event {
    case .arrived(let source): !isFinished && !progress.hasArrived(source)
    case .returned(let peer): !isFinished && !progress.hasReturned(peer)
    case .sent(let peer): !isFinished && progress.inFlight[peer] > 0
    case .computed, .finalized: true
    }
  }

  mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source): progress.arrived[source] += 1
    case .returned(let peer): progress.returned[peer] += 1
    case .sent(let peer): progress.inFlight[peer] -= 1
    case .computed, .finalized: break
    }
    schedule.note(event)
    isWaiting = false
  }

  mutating func carryOut(_ action: ScheduleAction) {
    progress.note(action)
    switch action {
    case .compute(let runs): note(.computed(runs.flatMap(\.self)))
    case .finalize(let tasks): note(.finalized(tasks))
    case .await: isWaiting = true
    case .finish: isFinished = true
    case .send, .returnResults: break
    }
  }
}
