package import Communication
import Kernels
package import Planning
package import Tensors
import Topology

/// What a layer's forward pass leaves for its backward pass.
package struct ExpertLayerSaved: Sendable {
  package let plan: ExchangePlan
  let activations: ExpertActivations
  /// What relays have to know, where there are any.
  let relayCounts: RelayCounts?
  let shadows: LayerShadows

  /// How many experts of this layer are computed on other ranks as well.
  package var shadowedExpertCount: Int { shadows.plan.chains.count }

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
  ///   - experts: those that this rank hosts, slot after slot.
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
    let decision = arrangements[group.activity.layer ?? 0].map(decision.inSlots) ?? decision
    let activity = group.activity
    group.activity.phase = .dispatch
    let shadows = try shadows(for: decision, experts: experts)
    let plan = DispatchPlan(decision, placement: placement, rank: group.rank, shadows: shadows.experts)
    let manifestExchange = ManifestExchange(
      sequence: sequence, hiddenSize: x.columns, tokenLimit: tokenLimit, expertsPerToken: decision.expertsPerToken,
      group: group, routes: routes)
    let arrived = try exchangeManifests(of: plan, manifestExchange)
    let received = ReceivePlan(arrived.manifests)
    let rowCount = received.paddedRowCount
    let activations = ExpertActivations(
      x: workspace.tensor(rowCount, x.columns), h: workspace.tensor(rowCount, experts.first?.input.rows ?? 0),
      weights: workspace.tensor(rowCount, 1))
    let exchangePlan = ExchangePlan(
      dispatch: plan, received: received, chunkRows: options.chunkRows(width: x.columns),
      cut: options.cut(isAlone: group.size == 1))
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let streams = shadows.broadcasts(hosted: experts, sequence: sequence, on: self)
    let pass = ForwardPass(
      exchangePlan, experts: ExpertFeedForward(activation, experts + shadows.weights, plan: received),
      activations: activations, x: x, into: out,
      streams: Array(zip(streams, shadows.localExperts(hostedCount: experts.count, placement: placement))),
      workspace: workspace)
    try execute(pass, sequence: sequence, relayCounts: arrived.counts)
    group.activity = activity
    return ExpertLayerSaved(
      plan: exchangePlan, activations: activations, relayCounts: arrived.counts, shadows: shadows)
  }

  /// The first expert of a layer, shadows included, that has made something else than numbers of its rows on this rank.
  package func firstFaultyExpert(in saved: ExpertLayerSaved, layer: Int) -> Int? {
    let received = saved.plan.received
    let faulty = (0..<received.expertCount).first {
      !areFinite(saved.activations.h[rows: received.group(LocalExpert($0))].buffer)
    }
    let slots = Array(hostedSlots) + saved.shadows.experts.map(\.index)
    return faulty.map { arrangement(ofLayer: layer).expertOfSlot[slots[$0]] }
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
    let (shadows, relayCounts, sequence) = (saved.shadows, saved.relayCounts, nextSequence())
    let shadowGradients = shadows.weights.map {
      ExpertWeights(
        input: workspace.tensor($0.input.rows, $0.input.columns),
        output: workspace.tensor($0.output.rows, $0.output.columns))
    }
    let streams = shadows.reductions(hosted: gradients, shadows: shadowGradients, sequence: sequence, on: self)
    let pass = BackwardPass(
      saved.plan, experts: ExpertFeedForward(activation, experts + shadows.weights, plan: saved.plan.received),
      activations: saved.activations, outputGradient: outputGradient,
      target: BackwardPass.Target(
        weights: gradients + shadowGradients, hostedCount: gradients.count, isAccumulating: accumulating, input: dx,
        gateWeights: dGateWeights),
      streams: Array(zip(streams, shadows.localExperts(hostedCount: experts.count, placement: placement))),
      workspace: workspace)
    try execute(pass, sequence: sequence, relayCounts: relayCounts)
  }

  /// Which experts are shadowed in this pass: the ranks tell each other what they route where, then all decide alike.
  private func shadows(
    for decision: RoutingDecision, experts: [ExpertWeights]
  ) throws(CommunicationError) -> LayerShadows {
    // With fewer experts than ranks some have nothing to shadow: none of them does.
    guard let chooseShadows, group.size > 1, placement.expertCount >= group.size, let example = experts.first else {
      return .none(own: group.rank)
    }
    let load = try exchangeLoad(decision)
    return LayerShadows(
      chooseShadows(load, group.activity.layer ?? 0), own: group.rank, input: example.input.shape,
      output: example.output.shape,
      workspace: workspace)
  }

  /// What every rank of the group routes to every expert.
  private func exchangeLoad(_ decision: RoutingDecision) throws(CommunicationError) -> RoutingLoad {
    let expertCount = placement.expertCount
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let own = workspace.buffer(of: Int32.self, count: expertCount + 1)
    let all = workspace.buffer(of: Int32.self, count: (expertCount + 1) * group.size)
    own.copy(from: (decision.rowCounts(expertCount: expertCount) + [decision.tokenCount]).map(Int32.init))
    let sentBefore = group.traffic.sentByteCount
    try group.allGather(own, into: all)
    timings.forward.sentByteCount += group.traffic.sentByteCount - sentBefore
    let rows = (0..<group.size).map {
      all[$0 * (expertCount + 1)..<($0 + 1) * (expertCount + 1)].elements.map(Int.init)
    }
    return RoutingLoad(
      tokenCounts: rows.map { $0[expertCount] }, expertsPerToken: decision.expertsPerToken, expertCount: expertCount,
      counts: rows.flatMap { $0.prefix(expertCount) })
  }

  /// Nothing can be computed before the manifests are here, so all of this time is exposed.
  private func exchangeManifests(
    of plan: DispatchPlan, _ exchange: ManifestExchange
  ) throws(CommunicationError) -> ManifestExchange.Received {
    let clock = ContinuousClock()
    let began = clock.now
    let sentBefore = group.traffic.sentByteCount
    let received = try exchange.run(plan, workspace: workspace)
    if group.size > 1 {
      let taken = clock.now - began
      timings.forward.total += taken
      timings.forward.exchange += taken
      timings.forward.exposed += taken
    }
    timings.forward.sentByteCount += group.traffic.sentByteCount - sentBefore
    return received
  }
}
