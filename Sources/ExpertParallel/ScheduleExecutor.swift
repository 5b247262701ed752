import Communication
import Kernels
import Planning
import Tensors
import Topology
import Tracing

extension ExpertRuntime {
  /// Carries out a pass: the loop between a pure state machine and messages, tasks and memory.
  ///
  /// - Parameter relayCounts: what this rank passes on for others, in a two-level exchange.
  func execute(_ pass: some ExpertPass, sequence: Int32, relayCounts: RelayCounts?) throws(CommunicationError) {
    let relayed = routes.flatMap { routes in
      relayCounts.map { counts in
        RelayedMessages(
          routes, counts, pass: type(of: pass).pass, width: pass.tokens.columns, chunkRows: pass.plan.chunkRows,
          sequence: sequence, on: self)
      }
    }
    let executor = try ScheduleExecutor(pass, relayed: relayed, sequence: sequence, on: self)
    try executor.run()
  }
}

/// One pass under way.
private final class ScheduleExecutor<Expert: ExpertPass> {
  private let pass: Expert
  private let runtime: ExpertRuntime
  private let messages: PassMessages
  private var schedule: any ExchangeSchedule
  private var sums: ResultSums
  /// What this rank had sent before the pass.
  private let sentBefore: Int
  private var uncomputedCount: Int
  /// Final tasks of each local expert that are not done.
  private var unfinished: [Int32: Int] = [:]
  /// Which of the streams that tasks wait for have been reported.
  private var reportedStreams: [Bool]
  private var timings = ExchangeTimings.Phase()

  init(
    _ pass: Expert, relayed: RelayedMessages?, sequence: Int32, on runtime: ExpertRuntime
  ) throws(CommunicationError) {
    self.pass = pass
    self.runtime = runtime
    let options = runtime.options
    sentBefore = runtime.group.traffic.sentByteCount
    messages = try PassMessages(
      pass.plan, pass: Expert.pass, width: pass.tokens.columns, streams: pass.streams.map(\.stream), relayed: relayed,
      sequence: sequence, on: runtime)
    schedule = options.policy.schedule(
      pass.work, window: options.window(rankCount: runtime.group.size), groupSize: options.groupSize,
      parallelism: runtime.workers.threadCount, runRows: options.cut(isAlone: runtime.group.size == 1).largest)
    sums = ResultSums(
      pass.plan, own: pass.computed, weights: pass.sumWeights, returned: messages.returned, into: pass.out)
    uncomputedCount = pass.work.taskCount
    for expert in pass.work.finalExperts { unfinished[expert, default: 0] += 1 }
    reportedStreams = Array(repeating: false, count: pass.work.arrivalChunks.count - pass.work.rankCount)
  }

  func run() throws(CommunicationError) {
    let clock = ContinuousClock()
    let start = clock.now
    var inFlight = start
    let activity = runtime.group.activity
    runtime.trace?.site = TraceSite(
      step: activity.step.map(Int32.init), layer: activity.layer.map(Int32.init), pass: Expert.pass.traced)
    // Whoever pokes between tasks already, a sum of gradients, goes on doing so.
    let outer = runtime.workers.betweenTasks
    if runtime.options.pokesBetweenTasks {
      runtime.workers.betweenTasks = { [messages] in
        messages.poke()
        outer?()
      }
    }
    defer { runtime.workers.betweenTasks = outer }
    // Own rows need no message: they are put in place when the first messages are under way.
    var hasPlacedOwnRows = false
    if uncomputedCount == 0 { noteAllComputed() }
    loop: while true {
      let action = schedule.next()
      switch action {
      case .send(let peer, let chunk):
        enter(.dispatch)
        try send(peer, chunk)
        continue loop
      case .returnResults(let peer, let chunk):
        enter(.combine)
        try returnResults(peer, chunk)
        continue loop
      case .compute, .finalize, .await:
        if !hasPlacedOwnRows {
          pass.placeOwnRows(runtime.workers)
          hasPlacedOwnRows = true
        }
      case .finish:
        enter(.combine)
        try drain(poking: outer)
        inFlight = max(inFlight, clock.now)
        break loop
      }
      let began = clock.now
      switch action {
      case .compute(let runs):
        enter(.experts)
        compute(runs)
      case .finalize(let tasks): finalize(tasks)
      default:
        enter(uncomputedCount > 0 ? .dispatch : .combine)
        try awaitMessages(poking: outer)
        inFlight = clock.now
        timings.exposed += inFlight - began
        continue loop
      }
      timings.compute += clock.now - began
      messages.poke()
      _ = try collect()
    }
    if Expert.pass == .backward { placeOwnGates(pass.plan.own.index) }
    if runtime.group.size > 1 { timings.exchange = inFlight - start }
    timings.sentByteCount = runtime.group.traffic.sentByteCount - sentBefore
    timings.pokeCount = messages.pokeCount
    timings.total = clock.now - start
    runtime.timings[Expert.pass].add(timings)
  }

  /// Says which part of a forward pass this is; a backward pass is one phase.
  private func enter(_ phase: Activity.Phase) {
    if Expert.pass == .forward { runtime.group.activity.phase = phase }
  }

  private func send(_ peer: Int, _ chunk: Int) throws(CommunicationError) {
    let plan = pass.plan
    let rows = plan.rows(ofChunk: chunk, of: plan.dispatch.rows(to: Rank(peer)).count)
    try messages.send(.rows, rows, to: peer, width: pass.tokens.columns) {
      pass.packRows(rows, to: peer, into: $0, runtime.workers)
    }
  }

  private func returnResults(_ peer: Int, _ chunk: Int) throws(CommunicationError) {
    let plan = pass.plan
    let count = plan.received.returnRowCounts[peer]
    guard chunk * plan.chunkRows < count else {
      // Behind the results of a source come the gradients of its gate weights.
      return try messages.send(.gateGradients, 0..<plan.received.positions[peer].count, to: peer, width: 1) {
        pass.packGates(of: peer, into: $0)
      }
    }
    let rows = plan.rows(ofChunk: chunk, of: count)
    try messages.send(.results, rows, to: peer, width: pass.tokens.columns) {
      pass.packResults(rows, of: peer, into: $0, runtime.workers)
    }
  }

  private func compute(_ runs: [Range<Int>]) {
    traced(runs, kind: kind) { pass.compute(pass.plan.task(of: $0), $1) }
    let tasks = runs.flatMap(\.self)
    timings.taskCount += runs.count
    uncomputedCount -= tasks.count
    schedule.note(.computed(tasks))
    if uncomputedCount == 0 { noteAllComputed() }
  }

  /// Runs tasks. One thread's are noted one by one, those of several threads together.
  private func traced<Task>(_ tasks: [Task], kind: (Task) -> TraceKind, _ body: (_ task: Task, _ lane: Lane) -> Void) {
    guard let trace = runtime.trace, let first = tasks.first else {
      return runtime.workers.run(tasks.count) { index, lane in body(tasks[index], lane) }
    }
    guard runtime.workers.threadCount == 1 else {
      let start = trace.now
      runtime.workers.run(tasks.count) { index, lane in body(tasks[index], lane) }
      return trace.record(kind(first), since: start)
    }
    runtime.workers.run(tasks.count) { index, lane in
      let start = trace.now
      body(tasks[index], lane)
      trace.record(kind(tasks[index]), since: start)
    }
  }

  private func kind(_ run: Range<Int>) -> TraceKind {
    let hostedCount = pass.plan.received.expertCount - pass.plan.dispatch.shadows.count
    if pass.plan.tasks[run.lowerBound].expert.index >= hostedCount { return .shadowedRows }
    return run.allSatisfy(pass.work.isOwn) ? .ownRows : .remoteRows
  }

  private func noteAllComputed() {
    combining { sums.noteOwn(workers: runtime.workers) }
  }

  private func combining(_ body: () -> Void) {
    let start = runtime.trace?.now
    body()
    if let start { runtime.trace?.record(.combining, since: start) }
  }

  private func finalize(_ tasks: [Int]) {
    traced(tasks, kind: { _ in .weightGradients }) { pass.finalize($0, $1) }
    timings.taskCount += tasks.count
    schedule.note(.finalized(tasks))
    guard !pass.streams.isEmpty else { return }
    for task in tasks { unfinished[pass.work.finalExperts[task], default: 0] -= 1 }
    for (stream, expert) in pass.streams where unfinished[Int32(expert.index), default: 0] == 0 { stream.noteReady() }
  }

  private func placeOwnGates(_ own: Int) {
    let places = pass.plan.received.positions[own].count
    let mark = runtime.workspace.mark()
    defer { runtime.workspace.release(to: mark) }
    let gradients = runtime.workspace.tensor(places, 1)
    pass.packGates(of: own, into: gradients)
    pass.placeGates(of: own, gradients)
  }

  /// Waits until a message arrives or leaves.
  private func awaitMessages(poking outer: (() -> Void)?) throws(CommunicationError) {
    try runtime.group.wait(in: "the exchange of expert rows", missing: messages.openPeers) {
      () throws(CommunicationError) in
      messages.poke()
      outer?()
      return try collect()
    }
  }

  /// Waits until the shadows' parameters, or gradients, are where they belong, and what this rank passes on is gone.
  private func drain(poking outer: (() -> Void)?) throws(CommunicationError) {
    guard !messages.isDrained else { return }
    let began = ContinuousClock.now
    try messages.advanceStreams()
    try runtime.group.wait(in: "the exchange of others' rows or shadows", missing: messages.openPeers) {
      () throws(CommunicationError) in
      messages.poke()
      outer?()
      _ = try collect()
      return messages.isDrained
    }
    timings.exposed += ContinuousClock.now - began
  }

  /// Tells the schedule what happened; whether anything did.
  private func collect() throws(CommunicationError) -> Bool {
    var isEventful = false
    func note(_ event: ScheduleEvent) {
      schedule.note(event)
      isEventful = true
    }
    try messages.collect(
      rows: { source, rows, content in
        let start = runtime.trace?.now
        pass.unpack(rows, of: source, content, runtime.workers)
        if let start { runtime.trace?.record(.unpacking, since: start) }
        note(.arrived(source: source))
      },
      results: { peer, rows in
        combining { sums.noteReturned(peer, rows, workers: runtime.workers) }
        note(.returned(peer: peer))
      },
      gates: { peer in
        pass.placeGates(of: peer, messages.returnedGates(peer))
        note(.returned(peer: peer))
      },
      sent: { note(.sent(peer: $0)) })
    for stream in reportedStreams.indices where !reportedStreams[stream] && pass.streams[stream].stream.isWhole {
      reportedStreams[stream] = true
      note(.arrived(source: pass.work.rankCount + stream))
    }
    return isEventful
  }
}

extension ExchangeTimings.Phase {
  fileprivate mutating func add(_ other: Self) {
    total += other.total
    exchange += other.exchange
    exposed += other.exposed
    compute += other.compute
    taskCount += other.taskCount
    pokeCount += other.pokeCount
    sentByteCount += other.sentByteCount
  }
}

extension Pass {
  fileprivate var traced: TraceSite.Pass { self == .forward ? .forward : .backward }
}
