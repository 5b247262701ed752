import Topology

/// One pass over a layer on all ranks together: every rank's schedule, its threads, and the links between hosts.
///
/// The schedules are those that the executor runs. A rank does one thing at a time: it packs and sends, computes as many
/// tasks at once as it has threads, or waits. A message to another host takes the links (`HostLinks`); one inside a host is
/// a copy that its sender's processor makes, so computing cannot hide it. What arrives while a rank computes is put in
/// place when it is done.
struct PassSimulation<Schedule: ExchangeSchedule> {
  private let traffic: ExchangeTraffic
  private let hosts: HostMap
  private let machine: MachineModel
  private let costs: TaskCosts
  private let messages: MessageCounts
  private let pass: SimulatedPass
  private let threadCount: Int
  private let blocks: [WeightBlock]
  private var schedules: [Schedule] = []
  private var ranks: [RankState] = []
  /// Rows of each rank's tasks, and of each rank's experts.
  private var taskRows: [[Int32]] = []
  private var expertRows: [[Int]] = []
  private var links: HostLinks
  private var queue = EventQueue()

  /// What a rank is about.
  private struct RankState {
    /// What is under way: the event that its end is.
    var task = ScheduleEvent.computed([])
    var isWaiting = false
    var hasPlacedOwnRows = false
    /// When it began to wait.
    var waitStart = 0.0
    /// Work on messages that came while it computed.
    var debt = 0.0
    var result = RankPass()
  }

  /// - Parameters:
  ///   - start: when every rank begins.
  ///   - make: the schedule of a rank's work.
  init(
    _ traffic: ExchangeTraffic, on cluster: SimulatedCluster, _ costs: TaskCosts, _ settings: SimulationSettings,
    pass: SimulatedPass, start: Double, make: (ExchangeWork) -> Schedule
  ) {
    self.traffic = traffic
    hosts = cluster.hosts
    machine = cluster.machine
    self.costs = costs
    self.pass = pass
    threadCount = settings.threadCount
    blocks = WeightBlock.blocks(costs.shape)
    messages = MessageCounts(traffic, chunkRows: settings.chunkRows, isClosing: pass == .backward)
    links = HostLinks(cluster)
    schedules.reserveCapacity(traffic.rankCount)
    for rank in 0..<traffic.rankCount {
      let simulated = SimulatedRank(traffic, rank: rank, settings, pass: pass, blocks: blocks.count)
      schedules.append(make(simulated.work))
      taskRows.append(simulated.work.taskRows)
      expertRows.append(simulated.expertRows)
      var state = RankState()
      // The router runs on all threads, over all tokens of the rank; its backward makes two products.
      state.result.router = costs.router(tokens: Int(traffic.tokenCounts[rank]), pass) / Double(threadCount)
      // Forward, tokens go nowhere before they are routed; backward, they are back before the router's gradient is made.
      state.waitStart = start + (pass == .forward ? state.result.router : 0)
      ranks.append(state)
    }
  }

  /// Runs until every rank has finished; what each rank did. [N]
  mutating func run() -> [RankPass] {
    for rank in ranks.indices { proceed(rank, at: ranks[rank].waitStart) }
    while let event = queue.pop() { handle(event) }
    precondition(ranks.allSatisfy { $0.result.end.isFinite }, "a schedule that waits for nothing")
    return ranks.map(\.result)
  }

  private mutating func handle(_ event: SimulatedEvent) {
    let (source, target) = (Int(event.source), Int(event.target))
    switch event.kind {
    case .computed:
      schedules[source].note(ranks[source].task)
      proceed(source, at: event.time)
    case .reachedHost:
      let time = links.enter(target, byteCount: Double(event.byteCount), at: event.time)
      push(.delivered, source, target, event, at: time)
    case .delivered:
      ranks[target].debt += placing(event)
      let place = source % traffic.groupSize
      schedules[target].note(event.isResult ? .returned(peer: place) : .arrived(source: place))
      schedules[source].note(.sent(peer: target % traffic.groupSize))
      wake(target, at: event.time)
      wake(source, at: event.time)
    }
  }

  private mutating func wake(_ rank: Int, at time: Double) {
    guard ranks[rank].isWaiting else { return }
    ranks[rank].isWaiting = false
    ranks[rank].result.idle += max(0, time - ranks[rank].waitStart)
    proceed(rank, at: max(time, ranks[rank].waitStart))
  }

  /// A rank acts until it computes, waits or has finished.
  private mutating func proceed(_ rank: Int, at time: Double) {
    var now = time + ranks[rank].debt
    ranks[rank].debt = 0
    while true {
      switch schedules[rank].next() {
      case .send(let peer, let chunk):
        let target = rank - rank % traffic.groupSize + peer
        let rows = messages.rowCount(from: rank, to: target, chunk: chunk)
        send(rank, target, byteCount: Double(rows) * costs.shape.rowByteCount, isResult: false, at: &now)
      case .returnResults(let peer, let chunk):
        let target = rank - rank % traffic.groupSize + peer
        let rows = messages.resultCount(of: target, at: rank, chunk: chunk)
        // A message without rows brings the gradients of the gate weights, one number for each assignment.
        let bytes =
          rows > 0
          ? Double(rows) * costs.shape.rowByteCount : 4 * Double(messages.assignments(of: target, at: rank))
        send(rank, target, byteCount: bytes, isResult: true, at: &now)
      case .compute(let runs):
        placeOwnRows(rank, at: &now)
        return start(rank, .computed(runs.flatMap(\.self)), runs.map { rowSeconds(rank, $0) }, at: now)
      case .finalize(let tasks):
        placeOwnRows(rank, at: &now)
        return start(rank, .finalized(tasks), tasks.map { finalSeconds(rank, $0) }, at: now)
      case .await:
        placeOwnRows(rank, at: &now)
        ranks[rank].isWaiting = true
        ranks[rank].waitStart = now
        return
      case .finish:
        ranks[rank].result.end = now + (pass == .backward ? ranks[rank].result.router : 0)
        return
      }
    }
  }

  private mutating func start(_ rank: Int, _ task: ScheduleEvent, _ parts: [Double], at time: Double) {
    let seconds = makespan(parts)
    ranks[rank].task = task
    ranks[rank].result.compute += seconds
    queue.push(
      SimulatedEvent(
        time: time + seconds, source: Int32(rank), target: Int32(rank), byteCount: 0, kind: .computed, isResult: false))
  }

  private mutating func send(_ rank: Int, _ target: Int, byteCount: Double, isResult: Bool, at time: inout Double) {
    let link = hosts.shareHost(rank, target) ? machine.sameHost : machine.otherHost
    time += link.processorSeconds(bytes: byteCount) + 2 * byteCount / machine.copyBytesPerSecond / Double(threadCount)
    let event = SimulatedEvent(
      time: time, source: Int32(rank), target: Int32(target), byteCount: Float(byteCount), kind: .delivered,
      isResult: isResult)
    if hosts.shareHost(rank, target) {
      time += byteCount / link.bytesPerSecond
      push(.delivered, rank, target, event, at: time + link.latencySeconds)
    } else {
      push(.reachedHost, rank, target, event, at: links.leave(rank, byteCount: byteCount, at: time))
    }
  }

  private mutating func push(
    _ kind: SimulatedEvent.Kind, _ source: Int, _ target: Int, _ event: SimulatedEvent, at time: Double
  ) {
    queue.push(
      SimulatedEvent(
        time: time, source: Int32(source), target: Int32(target), byteCount: event.byteCount, kind: kind,
        isResult: event.isResult))
  }
}

extension PassSimulation {
  /// Rows are copied to their experts, results added up at home: read once, written once.
  private func placing(_ event: SimulatedEvent) -> Double {
    let link = hosts.shareHost(Int(event.source), Int(event.target)) ? machine.sameHost : machine.otherHost
    let byteCount = Double(event.byteCount)
    return link.processorSeconds(bytes: byteCount) + 2 * byteCount / machine.copyBytesPerSecond / Double(threadCount)
  }

  /// The rank's own rows go to its experts, when the first messages are under way; their results are added up with them.
  private mutating func placeOwnRows(_ rank: Int, at time: inout Double) {
    guard !ranks[rank].hasPlacedOwnRows else { return }
    ranks[rank].hasPlacedOwnRows = true
    let own = Double(traffic.assignments[traffic.pair(from: rank, to: rank % traffic.groupSize)])
    time += costs.movingRows(read: 2 * own, written: 2 * own) / Double(threadCount)
  }

  private func rowSeconds(_ rank: Int, _ run: Range<Int>) -> Double {
    let rows = taskRows[rank][run].reduce(0) { $0 + Int($1) }
    return pass == .forward ? costs.forward(rows: rows) : costs.inputGradient(rows: rows)
  }

  private func finalSeconds(_ rank: Int, _ task: Int) -> Double {
    costs.weightGradient(block: blocks[task % blocks.count], rows: expertRows[rank][task / blocks.count])
  }

  /// When tasks, taken in order by whichever thread is free, are all done.
  private func makespan(_ seconds: [Double]) -> Double {
    guard threadCount > 1 else { return seconds.reduce(0, +) }
    var free = Array(repeating: 0.0, count: min(threadCount, seconds.count))
    for task in seconds {
      let earliest = free.indices.min { free[$0] < free[$1] } ?? 0
      free[earliest] += task
    }
    return free.max() ?? 0
  }
}
