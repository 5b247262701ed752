import Communication
import Planning
import Tensors
import Topology

/// What one direction of a layer, forward or backward, does at each point of a schedule.
protocol ExpertPass {
  /// Brings the rows that the experts work on.
  var arriving: RowExchange { get }
  /// Take the results home: rows, and in backward the gradients of the gate weights.
  var returning: [RowExchange] { get }

  /// Packs and sends this rank's rows and puts its own ones in place.
  func begin() throws(CommunicationError)
  /// Puts a source's rows into expert-major order.
  func unpack(_ source: Int)
  func compute(_ tasks: Range<Int>)
  func sendResults(to source: Int) throws(CommunicationError)
  /// Sums the results at home.
  func finish()
}

extension ExpertRuntime {
  /// Carries out a schedule: the loop between a pure state machine and messages, tasks and memory.
  func execute(_ pass: some ExpertPass, _ schedule: consuming any ExchangeSchedule) throws(CommunicationError) {
    let clock = ContinuousClock()
    let start = clock.now
    var inFlight = start
    let sentBefore = group.traffic.sentByteCount
    try pass.begin()
    noteEmpty(pass, &schedule)
    var isSending = true
    loop: while true {
      switch schedule.next() {
      case .await:
        let began = clock.now
        try awaitEvents(pass, &schedule, isSending: &isSending)
        inFlight = clock.now
        timings.exposed += inFlight - began
      case .compute(let tasks):
        let began = clock.now
        pass.compute(tasks)
        timings.compute += clock.now - began
        schedule.note(.computed(tasks))
      case .returnResults(let source):
        try pass.sendResults(to: source)
        isSending = true
      case .finish:
        break loop
      }
    }
    if group.size > 1 { timings.exchange += inFlight - start }
    timings.sentByteCount += group.traffic.sentByteCount - sentBefore
    pass.finish()
  }

  /// Peers that send no rows, or owe no results, are done before they begin.
  private func noteEmpty(_ pass: some ExpertPass, _ schedule: inout any ExchangeSchedule) {
    for peer in group.peers {
      if pass.arriving.isComplete(from: peer.index) { schedule.note(.arrived(source: peer.index)) }
      if pass.returning.allSatisfy({ $0.isComplete(from: peer.index) }) {
        schedule.note(.returned(peer: peer.index))
      }
    }
  }

  /// Waits until a message arrives or the last one sent leaves, and tells the schedule.
  ///
  /// - Parameter isSending: whether the schedule has yet to hear that everything sent has left. It hears it once, so
  ///   that a wait for messages that do not come is one wait, with its limit.
  private func awaitEvents(
    _ pass: some ExpertPass, _ schedule: inout any ExchangeSchedule, isSending: inout Bool
  ) throws(CommunicationError) {
    let exchanges = [pass.arriving] + pass.returning
    let requests = exchanges.flatMap(\.requests)
    var isEventful = false
    try group.wait(in: "the exchange of expert rows", missing: requests.filter { !$0.isDone }.map(\.worldPeer)) {
      () throws(CommunicationError) in
      try group.poke(requests)
      for source in try pass.arriving.collect() {
        pass.unpack(source)
        schedule.note(.arrived(source: source))
        isEventful = true
      }
      for exchange in pass.returning {
        for peer in try exchange.collect() where pass.returning.allSatisfy({ $0.isComplete(from: peer) }) {
          schedule.note(.returned(peer: peer))
          isEventful = true
        }
      }
      if isSending && exchanges.allSatisfy(\.hasSent) {
        schedule.note(.sent)
        isSending = false
        isEventful = true
      }
      return isEventful
    }
  }
}
