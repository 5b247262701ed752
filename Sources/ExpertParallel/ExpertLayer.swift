package import Communication
import Kernels
package import Planning
package import Tensors
import Topology

/// What a layer's forward pass leaves for its backward pass.
package struct ExpertLayerSaved: Sendable {
  let plan: ExchangePlan
  let activations: ExpertActivations

  /// Rows that each of this rank's experts computed. [e]
  package var rowCounts: [Int] { plan.received.groupCounts }
}

extension ExpertRuntime {
  /// out[t] = Σ over t's kept choices, in order, of gate weight · expert(x[t]); all ranks of the group together.
  ///
  /// What the backward pass needs stays in the workspace; the caller's mark releases it.
  ///
  /// - Parameters:
  ///   - x: this rank's tokens [T, D]; T may be 0.
  ///   - experts: those that this rank hosts, in order.
  ///   - tokenLimit: the most tokens that any rank of the group has in this call; the same number on all ranks.
  ///   - out: [T, D], overwritten.
  package func forward(
    _ x: Tensor, _ decision: RoutingDecision, experts: [ExpertWeights], activation: ExpertActivation, tokenLimit: Int,
    into out: Tensor
  ) throws(CommunicationError) -> ExpertLayerSaved {
    precondition(
      x.rows == decision.tokenCount && x.rows <= tokenLimit,
      "\(x.rows) rows, \(decision.tokenCount) routed, at most \(tokenLimit)")
    let sequence = nextSequence()
    let plan = DispatchPlan(decision, placement: placement, rank: group.rank)
    let manifestExchange = ManifestExchange(
      sequence: sequence, hiddenSize: x.columns, tokenLimit: tokenLimit, expertsPerToken: decision.expertsPerToken,
      group: group)
    let received = ReceivePlan(try exchangeManifests(of: plan, manifestExchange))
    let rowCount = received.paddedRowCount
    let activations = ExpertActivations(
      x: workspace.tensor(rowCount, x.columns), h: workspace.tensor(rowCount, experts.first?.input.rows ?? 0),
      weights: workspace.tensor(rowCount, 1))
    let exchangePlan = ExchangePlan(
      dispatch: plan, received: received, chunkRows: options.chunkRows(width: x.columns),
      cut: options.cut(isAlone: group.size == 1))
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let pass = ForwardPass(
      exchangePlan, experts: ExpertFeedForward(activation, experts, plan: received), activations: activations, x: x,
      into: out, workspace: workspace)
    try execute(pass, sequence: sequence)
    return ExpertLayerSaved(plan: exchangePlan, activations: activations)
  }

  /// The gradients of `forward`: of the experts' weights, of the tokens and of the gate weights.
  ///
  /// - Parameters:
  ///   - outputGradient: [T, D]
  ///   - gradients: of the hosted experts' weights; added to when `accumulating`, else overwritten.
  ///   - dx: [T, D], overwritten: through the experts, not through the router.
  ///   - dGateWeights: [T, K], overwritten; zero for dropped assignments.
  package func backward(
    _ outputGradient: Tensor, saved: consuming ExpertLayerSaved, experts: [ExpertWeights], activation: ExpertActivation,
    gradients: [ExpertWeights], accumulating: Bool, into dx: Tensor, dGateWeights: Tensor
  ) throws(CommunicationError) {
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let pass = BackwardPass(
      saved.plan, experts: ExpertFeedForward(activation, experts, plan: saved.plan.received),
      activations: saved.activations, outputGradient: outputGradient,
      target: BackwardPass.Target(
        weights: gradients, isAccumulating: accumulating, input: dx, gateWeights: dGateWeights),
      workspace: workspace)
    try execute(pass, sequence: nextSequence())
  }

  /// Nothing can be computed before the manifests are here, so all of this time is exposed.
  private func exchangeManifests(
    of plan: DispatchPlan, _ exchange: ManifestExchange
  ) throws(CommunicationError) -> [DispatchManifest] {
    let clock = ContinuousClock()
    let began = clock.now
    let sentBefore = group.traffic.sentByteCount
    let manifests = try exchange.run(plan, workspace: workspace)
    if group.size > 1 {
      let taken = clock.now - began
      timings.forward.exchange += taken
      timings.forward.exposed += taken
    }
    timings.forward.sentByteCount += group.traffic.sentByteCount - sentBefore
    return manifests
  }
}
