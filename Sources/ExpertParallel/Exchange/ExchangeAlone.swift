package import Communication
package import Planning
import Tensors
import Topology

extension ExpertRuntime {
  /// The messages of a pass without its computation, all posted at once: how long the exchange takes by itself.
  ///
  /// What is sent is whatever lies in memory; all ranks of the group together.
  package func exchangeAlone(_ plan: ExchangePlan, _ pass: Pass, width: Int) throws(CommunicationError) {
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let sequence = nextSequence()
    var requests: [Request] = []
    for peer in group.peers {
      for message in messages(plan, pass, width: width, peer: peer) {
        let buffer = workspace.buffer(of: Float.self, count: message.received)
        requests.append(try group.startReceive(into: buffer, from: peer, tag: message.kind.tag(sequence: sequence)))
      }
    }
    for step in 1..<max(group.size, 1) {
      let peer = Rank((group.rank.index + step) % group.size)
      for message in messages(plan, pass, width: width, peer: peer) {
        let buffer = workspace.buffer(of: Float.self, count: message.sent)
        requests.append(try group.startSend(buffer, to: peer, tag: message.kind.tag(sequence: sequence)))
      }
    }
    try group.wait(for: requests, what: "the exchange of a pass alone")
  }

  /// What travels between this rank and a peer, in floats.
  private func messages(
    _ plan: ExchangePlan, _ pass: Pass, width: Int, peer: Rank
  ) -> [(kind: MessageKind, sent: Int, received: Int)] {
    let (dispatch, received) = (plan.dispatch, plan.received)
    let rows = (
      MessageKind.rows, dispatch.rows(to: peer).count * width, received.rowCounts[peer.index] * width
    )
    let results = (
      MessageKind.results, received.returnRowCounts[peer.index] * width, dispatch.returnRowCounts[peer.index] * width
    )
    let assignments = (there: dispatch.assignments(of: peer).count, here: received.assignments[peer.index].count)
    switch pass {
    case .forward:
      let words = { (count: Int) in DispatchManifest.wordCount(assignmentCount: count, hostedCount: 0) }
      return [(.manifest, words(assignments.there), words(assignments.here)), rows, results]
    case .backward: return [rows, results, (.gateGradients, assignments.here, assignments.there)]
    }
  }
}
