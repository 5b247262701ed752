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

  /// Sends this rank's manifests and returns those of all sources, its own included.
  func run(_ plan: DispatchPlan, workspace: Workspace) throws(CommunicationError) -> [DispatchManifest] {
    let own = group.rank
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let hostedCount = plan.placement.experts(of: own).count
    let limit = DispatchManifest.wordLimit(
      tokenCount: tokenLimit, expertsPerToken: expertsPerToken, hostedCount: hostedCount)
    let tag = MessageKind.manifest.tag(sequence: sequence)
    var receives: [(buffer: Buffer<Int32>, request: Request)] = []
    var sends: [Request] = []
    for peer in 0..<group.size where peer != own.index {
      let buffer = workspace.buffer(of: Int32.self, count: limit)
      receives.append((buffer, try group.startReceive(into: buffer, from: Rank(peer), tag: tag)))
    }
    for peer in 0..<group.size where peer != own.index {
      let words = DispatchManifest(plan, to: Rank(peer), sequence: sequence, hiddenSize: hiddenSize).words
      let buffer = workspace.buffer(of: Int32.self, count: words.count)
      buffer.copy(from: words)
      sends.append(try group.startSend(buffer, to: Rank(peer), tag: tag))
    }
    try group.wait(for: receives.map(\.request) + sends, what: "dispatch manifests")
    var manifests: [DispatchManifest] = []
    for (buffer, request) in receives {
      let (wordCount, rest) = request.receivedByteCount.quotientAndRemainder(dividingBy: MemoryLayout<Int32>.stride)
      // A message that is no whole number of words has one word too many and is refused for it.
      let words = Array(buffer.elements.prefix(wordCount + rest.signum()))
      manifests.append(try parse(words, from: request.peer, hostedCount: hostedCount))
    }
    manifests.insert(DispatchManifest(plan, to: own, sequence: sequence, hiddenSize: hiddenSize), at: own.index)
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
