import Topology

extension StepPrediction {
  package init(
    _ shape: LayerShape, _ traffic: ExchangeTraffic, on cluster: SimulatedCluster, _ settings: SimulationSettings,
    isTraining: Bool
  ) {
    let passes = (isTraining ? [SimulatedPass.forward, .backward] : [.forward]).map {
      PassPrediction($0, shape, traffic, on: cluster, settings)
    }
    self.init(passes, shape, traffic, on: cluster, settings)
  }

  /// A step from its passes, each simulated on the same layer, traffic and cluster.
  package init(
    _ passes: [PassPrediction], _ shape: LayerShape, _ traffic: ExchangeTraffic, on cluster: SimulatedCluster,
    _ settings: SimulationSettings
  ) {
    let isTraining = passes.count > 1
    self.passes = passes
    roofline = Roofline(
      peak: cluster.machine.matmul.highest * Double(settings.threadCount),
      computeSeconds: traffic.leastCompute(
        .forward, TaskCosts(shape, on: cluster.machine), threadCount: settings.threadCount, withRouter: false),
      exchangeSeconds: traffic.dispatchLoad(shape, on: cluster).seconds)
    let operations =
      shape.flopsPerRow * Double(shape.tokenCount) * Double(shape.expertsPerToken) * (isTraining ? 3 : 1)
    let seconds = passes.reduce(0) { $0 + $1.seconds }
    flopsPerSecondOfRank = seconds > 0 ? operations / Double(traffic.rankCount) / seconds : 0
    memoryByteCount = (0..<traffic.rankCount).reduce(0) { most, rank in
      max(most, RankMemory(traffic, rank: rank, shape, settings, isTraining: isTraining).byteCount)
    }
  }
}

extension PassPrediction {
  /// Simulates a pass of a layer on a cluster; every rank's schedule runs as it would in the executor.
  package init(
    _ pass: SimulatedPass, _ shape: LayerShape, _ traffic: ExchangeTraffic, on cluster: SimulatedCluster,
    _ settings: SimulationSettings
  ) {
    precondition(
      cluster.hosts.rankCount == traffic.rankCount, "\(cluster.hosts.rankCount) ranks for \(traffic.rankCount)")
    let cluster = cluster.relieved(under: traffic, pass, shape, threadCount: settings.threadCount)
    let costs = TaskCosts(shape, on: cluster.machine)
    // Forward, nothing can be sent before every rank has told the others how much it will be.
    let others = Double(traffic.groupSize - 1)
    let manifests =
      pass == .forward && others > 0
      ? traffic.manifestLoad(on: cluster).seconds + 2 * others * cluster.machine.otherHost.messageSeconds : 0
    let (window, groupSize, parallelism) = (settings.window, settings.groupSize, settings.threadCount)
    let runRows = settings.cut.largest
    func run<Schedule: ExchangeSchedule>(_ make: (ExchangeWork) -> Schedule) -> [RankPass] {
      var simulation = PassSimulation(
        traffic, on: cluster, costs, settings, pass: pass, start: manifests, make: make)
      return simulation.run()
    }
    ranks =
      switch settings.policy {
      case .sequential: run { SequentialSchedule($0, window: window) }
      case .pairwise: run { PairwiseSchedule($0, window: window, groupSize: groupSize, parallelism: parallelism) }
      case .eager: run { EagerSchedule($0, window: window, parallelism: parallelism, runRows: runRows) }
      }
    seconds = ranks.reduce(0) { max($0, $1.end) }
    compute = ranks.reduce(0) { max($0, $1.compute + $1.router) }
    exchange = traffic.rowLoad(pass, shape, on: cluster).seconds
    let leastCompute = traffic.leastCompute(pass, costs, threadCount: settings.threadCount, withRouter: true)
    bound = max(leastCompute, exchange)
    isComputeBound = leastCompute >= exchange
  }
}

extension ExchangeTraffic {
  /// What the slowest rank computes at the best rates, its threads perfectly busy.
  func leastCompute(_ pass: SimulatedPass, _ costs: TaskCosts, threadCount: Int, withRouter: Bool) -> Double {
    leastSeconds(pass, costs, threadCount: threadCount, withRouter: withRouter).max() ?? 0
  }

  /// The same of every rank. [N]
  fileprivate func leastSeconds(
    _ pass: SimulatedPass, _ costs: TaskCosts, threadCount: Int, withRouter: Bool
  ) -> [Double] {
    (0..<rankCount).map { rank in
      let experts = placement.experts(of: Rank(rank % groupSize)).reduce(0.0) { sum, expert in
        let rows = entries(group: rank / groupSize, expert: expert).reduce(0) { $0 + $1.count }
        return sum + costs.least(rows: rows, pass)
      }
      let router = withRouter ? costs.router(tokens: Int(tokenCounts[rank]), pass) : 0
      return (experts + router) / Double(threadCount)
    }
  }
}

extension SimulatedCluster {
  /// The cluster with the rates that its busiest rank has under a load: where ranks share cores, one that computes longer
  /// than the others has more of them.
  fileprivate func relieved(
    under traffic: ExchangeTraffic, _ pass: SimulatedPass, _ shape: LayerShape, threadCount: Int
  ) -> SimulatedCluster {
    guard machine.soloSpeedup > 1 else { return self }
    let costs = TaskCosts(shape, on: machine)
    let seconds = traffic.leastSeconds(pass, costs, threadCount: threadCount, withRouter: true)
    let makespan = machine.makespan(seconds)
    guard let busiest = seconds.max(), makespan > 0 else { return self }
    var faster = machine
    faster.matmul = machine.matmul.scaled(by: busiest / makespan)
    faster.copyBytesPerSecond *= busiest / makespan
    return SimulatedCluster(hosts: hosts, linkBytesPerSecond: linkBytesPerSecond, machine: faster)
  }
}
