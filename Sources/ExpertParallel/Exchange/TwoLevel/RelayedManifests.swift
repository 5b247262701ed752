import Communication
import Planning
import Tensors
import Topology

/// The manifests between this host and the others, by way of relays; a relay learns from them what will pass through it.
///
/// Nobody knows how long another rank's manifests are, so each message begins with the number of words of each of its parts.
struct RelayedManifests {
  let exchange: ManifestExchange
  let routes: HostRoutes
  let placement: ExpertPlacement
  let workspace: Workspace

  /// The words that came from each rank of another host, and the counts of all pairs that this rank has to do with.
  struct Received {
    var words: [Int: [Int32]] = [:]
    var counts = RelayCounts()
  }

  /// - Parameter words: this rank's for each rank of another host. Every rank of the group calls it.
  func run(words: (_ peer: Int) -> [Int32]) throws(CommunicationError) -> Received {
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let gathered = try gather(words)
    let crossed = try cross(gathered)
    return try spread(gathered, crossed)
  }

  /// Parts of one sender for several receivers, in their order.
  private typealias Parts = [ArraySlice<Int32>]

  /// What each neighbour has for each host that this rank is the relay for. [host][neighbour][rank of the host]
  private func gather(_ words: (_ peer: Int) -> [Int32]) throws(CommunicationError) -> [Int: [Parts]] {
    var gathered: [Int: [Parts]] = [:]
    var sends: [Message] = []
    var receives: [(host: Int, neighbour: Int, message: Message)] = []
    for host in routes.otherHosts {
      let others = routes.members(of: host)
      let own = others.map { words($0)[...] }
      guard routes.isRelay(for: host) else {
        sends.append(try send(own, to: routes.relay(on: routes.ownHost, for: host), .gather, host))
        continue
      }
      gathered[host] = routes.neighbours.map { $0 == routes.own.index ? own : [] }
      for (place, neighbour) in routes.neighbours.enumerated() where neighbour != routes.own.index {
        let message = try receive(from: Rank(neighbour), .gather, host, limit: limit(senders: 1, receivers: others))
        receives.append((host, place, message))
      }
    }
    try wait(sends + receives.map(\.message))
    for (host, neighbour, message) in receives {
      gathered[host]?[neighbour] = try parts(message, count: routes.members(of: host).count)
    }
    return gathered
  }

  /// What the ranks of each host that this rank is the relay for have for its neighbours. [host][rank of the host][neighbour]
  private func cross(_ gathered: [Int: [Parts]]) throws(CommunicationError) -> [Int: [Parts]] {
    let hosts = routes.otherHosts.filter(routes.isRelay)
    let neighbourCount = routes.neighbours.count
    var sends: [Message] = []
    var receives: [(host: Int, message: Message)] = []
    for host in hosts {
      let other = routes.relay(on: host, for: routes.ownHost)
      let limit = limit(senders: routes.members(of: host).count, receivers: routes.neighbours)
      receives.append((host, try receive(from: other, .cross, host, limit: limit)))
      sends.append(try send((gathered[host] ?? []).flatMap(\.self), to: other, .cross, host))
    }
    try wait(sends + receives.map(\.message))
    var crossed: [Int: [Parts]] = [:]
    for (host, message) in receives {
      let senders = routes.members(of: host).count
      let all = try parts(message, count: senders * neighbourCount)
      crossed[host] = (0..<senders).map { Array(all[$0 * neighbourCount..<($0 + 1) * neighbourCount]) }
    }
    return crossed
  }

  private func spread(
    _ gathered: [Int: [Parts]], _ crossed: [Int: [Parts]]
  ) throws(CommunicationError) -> Received {
    var received = Received()
    var sends: [Message] = []
    var receives: [(host: Int, message: Message)] = []
    for host in routes.otherHosts {
      guard let parts = crossed[host] else {
        let limit = limit(senders: routes.members(of: host).count, receivers: [routes.own.index])
        let relay = routes.relay(on: routes.ownHost, for: host)
        receives.append((host, try receive(from: relay, .spread, host, limit: limit)))
        continue
      }
      for (place, neighbour) in routes.neighbours.enumerated() where neighbour != routes.own.index {
        sends.append(try send(parts.map { $0[place] }, to: Rank(neighbour), .spread, host))
      }
      try note(parts, from: routes.members(of: host), to: routes.neighbours, &received)
      try note(gathered[host] ?? [], from: routes.neighbours, to: routes.members(of: host), &received)
    }
    try wait(sends + receives.map(\.message))
    for (host, message) in receives {
      let senders = routes.members(of: host)
      let parts = try parts(message, count: senders.count)
      try note(parts.map { [$0] }, from: senders, to: [routes.own.index], &received)
    }
    return received
  }

  /// Takes note of manifests that are for this rank or pass through it.
  private func note(
    _ parts: [Parts], from senders: [Int], to receivers: [Int], _ received: inout Received
  ) throws(CommunicationError) {
    for (sender, parts) in zip(senders, parts) {
      for (receiver, words) in zip(receivers, parts) {
        received.counts[sender, receiver] = try counts(words, from: sender)
        if receiver == routes.own.index { received.words[sender] = Array(words) }
      }
    }
  }

  func counts(_ words: ArraySlice<Int32>, from sender: Int) throws(CommunicationError) -> PairCounts {
    do throws(ManifestError) {
      return try DispatchManifest.counts(
        of: words, tokenLimit: exchange.tokenLimit, expertsPerToken: exchange.expertsPerToken)
    } catch {
      throw exchange.group.job.fail(.unexpectedMessage, "the manifest of rank \(sender) is refused: \(error)")
    }
  }
}

// MARK: Messages of several parts

extension RelayedManifests {
  private struct Message {
    let words: Buffer<Int32>
    let request: Request
  }

  /// Words in a message with the manifests of so many senders for these ranks, with their lengths.
  private func limit(senders: Int, receivers: [Int]) -> Int {
    senders
      * receivers.reduce(0) { sum, receiver in
        let hosted = placement.experts(of: Rank(receiver)).count
        return sum + 1
          + DispatchManifest.wordLimit(
            tokenCount: exchange.tokenLimit, expertsPerToken: exchange.expertsPerToken, hostedCount: hosted)
      }
  }

  private func send(
    _ parts: Parts, to peer: Rank, _ leg: RelayLeg, _ host: Int
  ) throws(CommunicationError) -> Message {
    let buffer = workspace.buffer(of: Int32.self, count: parts.reduce(parts.count) { $0 + $1.count })
    buffer.copy(from: DispatchManifest.joined(parts))
    return Message(words: buffer, request: try exchange.group.startSend(buffer, to: peer, tag: tag(leg, host)))
  }

  private func receive(
    from peer: Rank, _ leg: RelayLeg, _ host: Int, limit: Int
  ) throws(CommunicationError) -> Message {
    let buffer = workspace.buffer(of: Int32.self, count: limit)
    return Message(
      words: buffer, request: try exchange.group.startReceive(into: buffer, from: peer, tag: tag(leg, host)))
  }

  private func tag(_ leg: RelayLeg, _ host: Int) -> Tag {
    leg.tag(.manifest, sequence: exchange.sequence, host: host)
  }

  private func wait(_ messages: [Message]) throws(CommunicationError) {
    try exchange.group.wait(for: messages.map(\.request), what: "dispatch manifests by way of relays")
  }

  /// Cuts a message into its parts.
  private func parts(_ message: Message, count: Int) throws(CommunicationError) -> Parts {
    let (wordCount, rest) = message.request.receivedByteCount.quotientAndRemainder(
      dividingBy: MemoryLayout<Int32>.stride)
    guard rest == 0, let parts = DispatchManifest.parts(of: message.words[0..<wordCount].elements, count: count) else {
      throw exchange.group.job.fail(
        .unexpectedMessage, "\(message.request.worldPeer) sent \(wordCount) words that are not \(count) manifests")
    }
    return parts
  }
}
