package import Tensors
package import Topology

/// A group of ranks that can send each other bytes.
///
/// A communicator moves bytes and knows no tokens. A transport implements three operations, none of which blocks, and the
/// forming of a group; everything else, the one wait (`Wait.swift`) and the collectives, is written once on top of
/// them, so that the transports cannot differ in it. Messages between two ranks with the same tag arrive in the order
/// in which they were sent. One thread owns a communicator and everything split from it.
package protocol Communicator: AnyObject {
  /// This process's place in the group.
  var rank: Rank { get }
  /// The place in the whole job of each rank of the group.
  var worldRanks: [Rank] { get }
  /// What this rank is doing, shared by all communicators split from one.
  var job: JobState { get }
  /// What the collectives of this group keep between calls.
  var collectives: CollectiveState { get }

  /// Starts sending; the request keeps the memory alive until it is done, and the caller leaves the bytes as they are.
  func startSend(_ bytes: MessageBytes, to peer: Rank, tag: Tag) throws(CommunicationError) -> Request

  /// Starts receiving at most `bytes.count` bytes; a longer message is an error, and the request says how many came.
  func startReceive(into bytes: MessageBytes, from peer: Rank, tag: Tag) throws(CommunicationError) -> Request

  /// Moves messages forward and marks requests that are done. Never blocks.
  ///
  /// The requests may belong to any communicators of this job, and some may be done already. The cost is bounded: of a
  /// long list one call looks at a part, the next call at the next part.
  func poke(_ requests: [Request]) throws(CommunicationError)

  /// Lets a thread of its own move this rank's messages from here on, where the transport needs somebody to.
  func startProgressThread()

  /// Makes a communicator of some ranks of this one. Every rank of this one is in exactly one group and calls it at the
  /// same point; `number` differs between the groups. Use `split(color:)`.
  func formGroup(_ members: [Rank], number: Int) throws(CommunicationError) -> any Communicator
}

extension Communicator {
  /// How many ranks the group has.
  package var size: Int { worldRanks.count }
  /// This rank's place in the whole job.
  package var worldRank: Rank { job.worldRank }
  /// What this rank is doing, for errors and traces.
  package var activity: Activity {
    get { job.activity }
    set { job.activity = newValue }
  }
  /// How long a wait may see no request complete before it is reported as an error.
  package var waitLimit: Duration {
    get { job.waitLimit }
    set { job.waitLimit = newValue }
  }
  /// Messages and bytes of this rank over all communicators of the job.
  package var traffic: Traffic { job.traffic }
  /// The ranks of the group, this one included.
  package var ranks: [Rank] { (0..<size).map(Rank.init) }
  /// The other ranks of the group.
  package var peers: [Rank] { ranks.filter { $0 != rank } }

  /// Starts sending the elements, which the caller leaves as they are until the request is done.
  package func startSend<Element>(
    _ elements: Buffer<Element>, to peer: Rank, tag: Tag
  ) throws(CommunicationError) -> Request {
    try startSend(MessageBytes(elements), to: peer, tag: tag)
  }

  /// Starts receiving at most `elements.count` elements.
  package func startReceive<Element>(
    into elements: Buffer<Element>, from peer: Rank, tag: Tag
  ) throws(CommunicationError) -> Request {
    try startReceive(into: MessageBytes(elements), from: peer, tag: tag)
  }

  /// Sends the elements and waits until they are gone.
  package func send<Element>(_ elements: Buffer<Element>, to peer: Rank, tag: Tag) throws(CommunicationError) {
    try wait(for: [startSend(elements, to: peer, tag: tag)], what: "sending to \(peer)")
  }

  /// Receives exactly as many elements as there is room for.
  package func receive<Element>(
    into elements: Buffer<Element>, from peer: Rank, tag: Tag
  ) throws(CommunicationError) {
    let request = try startReceive(into: elements, from: peer, tag: tag)
    try wait(for: [request], what: "receiving from \(peer)")
    try request.requireFull()
  }

  /// Divides the group: ranks that give the same color form a group, ordered as before. Every rank must call it.
  ///
  /// The colors are exchanged first, with the wait limit, so that no rank enters MPI's blocking split alone.
  package func split(color: Int) throws(CommunicationError) -> any Communicator {
    let colors = try allGather(color)
    let members = ranks.filter { colors[$0.index] == color }
    let number = Set(colors.filter { $0 < color }).count
    return try formGroup(members, number: number)
  }

  func checkPeer(_ peer: Rank) {
    precondition(peer.index >= 0 && peer.index < size, "\(peer) in a group of \(size)")
  }
}
