import Communication
import Planning
import Tensors
import Topology

/// The exchange of manifests: what every rank will send to every other, before the rows.
struct ManifestExchange {
  let sequence: Int32
  let hiddenSize: Int
  /// The most tokens that any rank of the group has in this batch; the same number on all ranks.
  let tokenLimit: Int
  let expertsPerToken: Int
  let group: any Communicator
  /// How ranks of other hosts are reached; nil: directly, as the others.
  let routes: HostRoutes?

  /// Manifests of all sources, this rank's own included, and what a relay has to know of others.
  struct Received {
    let manifests: [DispatchManifest]
    let counts: RelayCounts?
  }

  /// Sends this rank's manifests and returns those of all sources.
  func run(_ plan: DispatchPlan, workspace: Workspace) throws(CommunicationError) -> Received {
    let peers = group.peers.map(\.index)
    guard let routes else {
      let words = try exchange(plan, with: peers, workspace: workspace)
      return Received(manifests: try manifests(plan, words), counts: nil)
    }
    let near = try exchange(plan, with: peers.filter { !routes.isOnOtherHost($0) }, workspace: workspace)
    let relay = RelayedManifests(exchange: self, routes: routes, placement: plan.placement, workspace: workspace)
    var far = try relay.run { words(plan, to: $0) }
    for peer in peers where routes.isOnOtherHost(peer) {
      far.counts[group.rank.index, peer] = try relay.counts(words(plan, to: peer)[...], from: group.rank.index)
    }
    return Received(manifests: try manifests(plan, near.merging(far.words) { $1 }), counts: far.counts)
  }

  private func words(_ plan: DispatchPlan, to peer: Int) -> [Int32] {
    DispatchManifest(plan, to: Rank(peer), sequence: sequence, hiddenSize: hiddenSize).words
  }

  /// Sends manifests to some peers and returns the words of theirs.
  private func exchange(
    _ plan: DispatchPlan, with peers: [Int], workspace: Workspace
  ) throws(CommunicationError) -> [Int: [Int32]] {
    let own = group.rank
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let hostedCount = plan.placement.experts(of: own).count
    let limit = DispatchManifest.wordLimit(
      tokenCount: tokenLimit, expertsPerToken: expertsPerToken, hostedCount: hostedCount)
    let tag = MessageKind.manifest.tag(sequence: sequence)
    var receives: [(buffer: Buffer<Int32>, request: Request)] = []
    var sends: [Request] = []
    for peer in peers {
      let buffer = workspace.buffer(of: Int32.self, count: limit)
      receives.append((buffer, try group.startReceive(into: buffer, from: Rank(peer), tag: tag)))
    }
    for peer in peers {
      let words = words(plan, to: peer)
      let buffer = workspace.buffer(of: Int32.self, count: words.count)
      buffer.copy(from: words)
      sends.append(try group.startSend(buffer, to: Rank(peer), tag: tag))
    }
    try group.wait(for: receives.map(\.request) + sends, what: "dispatch manifests")
    var words: [Int: [Int32]] = [:]
    for (buffer, request) in receives {
      let (wordCount, rest) = request.receivedByteCount.quotientAndRemainder(dividingBy: MemoryLayout<Int32>.stride)
      // A message that is no whole number of words has one word too many and is refused for it.
      words[request.peer.index] = Array(buffer.elements.prefix(wordCount + rest.signum()))
    }
    return words
  }

  /// Reads what came from each peer.
  private func manifests(
    _ plan: DispatchPlan, _ words: [Int: [Int32]]
  ) throws(CommunicationError) -> [DispatchManifest] {
    let hostedCount = plan.placement.experts(of: group.rank).count
    var manifests: [DispatchManifest] = []
    for peer in group.ranks {
      guard peer != group.rank else {
        manifests.append(DispatchManifest(plan, to: peer, sequence: sequence, hiddenSize: hiddenSize))
        continue
      }
      manifests.append(try parse(words[peer.index] ?? [], from: peer, hostedCount: hostedCount))
    }
    return manifests
  }

  private func parse(
    _ words: [Int32], from peer: Rank, hostedCount: Int
  ) throws(CommunicationError) -> DispatchManifest {
    do throws(ManifestError) {
      return try DispatchManifest(
        words: words, sequence: sequence, hiddenSize: hiddenSize, hostedCount: hostedCount, tokenLimit: tokenLimit)
    } catch {
      throw group.job.fail(.unexpectedMessage, "the manifest of \(peer) is refused: \(error)")
    }
  }
}
