import Tensors
package import Topology

extension Communicator {
  /// How many nanoseconds to add to this rank's clock to have the root's. Every rank calls it.
  ///
  /// Cristian's way (Probabilistic clock synchronization, 1989): the root asks a rank for its time and takes it to have
  /// been read in the middle of the round trip; the shortest of several errs the least, by at most half of itself.
  /// Clocks of different hosts drift apart by some microseconds a second, so ask near the time that matters.
  ///
  /// - Parameter now: reads this rank's clock, in nanoseconds.
  package func clockOffset(to root: Rank, now: () -> Int64) throws(CommunicationError) -> Int64 {
    checkPeer(root)
    guard rank == root else { return try answerClockQuestions(of: root, now) }
    for peer in peers { try askForClock(of: peer, now) }
    return 0
  }

  private func askForClock(of peer: Rank, _ now: () -> Int64) throws(CommunicationError) {
    let message = collectives.staging(.value, of: Int64.self, count: 1)
    var shortest = Int64.max
    var offset: Int64 = 0
    for _ in 0..<clockQuestionCount {
      let start = now()
      message[0] = start
      try send(message, to: peer, tag: .collective(.clock))
      try receive(into: message, from: peer, tag: .collective(.clock))
      let roundTrip = now() - start
      if roundTrip < shortest {
        shortest = roundTrip
        // Wrapping: the other clock's reading came from outside and may be anything.
        offset = start + roundTrip / 2 &- message[0]
      }
    }
    message[0] = offset
    try send(message, to: peer, tag: .collective(.clock))
  }

  private func answerClockQuestions(of root: Rank, _ now: () -> Int64) throws(CommunicationError) -> Int64 {
    let message = collectives.staging(.value, of: Int64.self, count: 1)
    for _ in 0..<clockQuestionCount {
      try receive(into: message, from: root, tag: .collective(.clock))
      message[0] = now()
      try send(message, to: root, tag: .collective(.clock))
    }
    try receive(into: message, from: root, tag: .collective(.clock))
    return message[0]
  }

  private var clockQuestionCount: Int { 20 }
}
