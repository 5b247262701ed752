import ArgumentParser
import Communication
import ExpertParallel
import Planning
import Routing
import Topology

/// Which rows may leave a host. Unlike the schedule of an exchange this changes what is computed.
struct TopologyFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Limit the rows that a rank sends to other hosts to this share of its tokens, or to FasterMoE's share: auto. The rest \
      goes to experts of the own host, so that results change and depend on where ranks run. (default: no limit)
      """, valueName: "share"))
  var topologyGate: LeavingShare?

  /// The gate of this rank; nil without the flag.
  func gate(_ experts: ExpertRuntime, expertsPerToken: Int, _ machine: MachineModel, _ worker: Worker) -> TopologyGate?
  {
    guard let topologyGate else { return nil }
    let hostOfMember = experts.group.worldRanks.map { Int(worker.hostMap.hostOfRank[$0.index]) }
    return TopologyGate(
      rankOfExpert: (0..<experts.placement.expertCount).map { experts.placement.host(of: GlobalExpert($0)).index },
      hostOfRank: hostOfMember, ownHost: hostOfMember[experts.group.rank.index],
      leavingShare: topologyGate.value(expertsPerToken: expertsPerToken, machine))
  }
}

/// Rows that may leave, for each token.
enum LeavingShare: ExpressibleByArgument {
  case balanced
  case share(Double)

  init?(argument: String) {
    if argument == "auto" {
      self = .balanced
      return
    }
    guard let share = Double(argument), share.isFinite, share >= 0 else { return nil }
    self = .share(share)
  }

  func value(expertsPerToken: Int, _ machine: MachineModel) -> Double {
    switch self {
    case .balanced: TopologyGate.balancedShare(expertsPerToken: expertsPerToken, machine: machine)
    case .share(let share): share
    }
  }
}
