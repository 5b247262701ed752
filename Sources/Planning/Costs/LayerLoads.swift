/// What a layer's exchange asks of every resource: each rank's processor and memory, each host's link.
///
/// Everything overlaps, so a phase takes as long as its busiest resource (plus latencies):
///
///     phase = max( max_w compute_w , max_l bytes_l / bandwidth_l )  +  2 · latency  +  the longest chain's filling
///
/// A row that goes out comes back as a result, so rows ask the same of both directions of a link. Shadow parameters go
/// down a chain in forward and their gradients up in backward, so a direction carries rows + in or rows + out, and the
/// larger of the two is the same in both phases. Compute is C in forward; 2 C and the adding of gradients in backward.
///
/// Compute is shared where ranks share cores (`MachineModel.makespan`). Two things do not overlap: a shadow's rows are
/// computed when all of its parameters are there, and its gradients leave when they are done, before which its rank has
/// computed the gradients of all of its rows. So a rank with shadows, of S seconds forward, takes at least
///
///     forward  parameters / bandwidth + S          backward  C + S + parameters / bandwidth
///
/// FasterMoE's equations 7 and 8 (PPoPP 2022) instead add compute and exchange, of one expert a worker.
struct LayerLoads {
  let costs: LayerCosts
  let load: RoutingLoad
  private(set) var owners: [Int]
  /// The experts that each rank hosts.
  private var hosted: [[Int]]
  /// The ranks that shadow each expert, in the order in which they pass its parameters on.
  private(set) var chains: [[Int]]
  private var isShadow: [Bool]
  /// Rows that each expert computes at its owner. [E]
  private var ownerRows: [Int]
  /// Forward seconds of each rank's products. [W]
  private var compute: [Double]
  /// Forward seconds of the products of each rank's shadows. [W]
  private var shadowing: [Double]
  private var shadowCounts: [Int]
  /// Seconds in which each rank adds gradients that arrive. [W]
  private var adding: [Double]
  /// Between ranks of a host, per rank. [W]
  private var near: [Traffic]
  /// Between hosts, per host. [H]
  private var far: [Traffic]
  /// Seconds that a byte takes of a rank's link to its own host, and of each host's link to the others.
  private let nearByteSeconds: Double
  private let farByteSeconds: [Double]
  private let nearPieceSeconds: Double
  private let farPieceSeconds: Double
  private let addSeconds: Double
  /// How long each expert's chain takes to fill. [E]
  private var filling: [Double]
  /// Σ (seconds of a resource)⁴ in forward and in backward.
  private var powers = (forward: 0.0, backward: 0.0)

  /// Bytes through one resource, each way.
  private struct Traffic {
    var rows = 0
    var parametersIn = 0
    var parametersOut = 0

    var bytes: Double { Double(rows + max(parametersIn, parametersOut)) }

    mutating func add(_ other: Traffic) {
      rows += other.rows
      parametersIn += other.parametersIn
      parametersOut += other.parametersOut
    }
  }

  init(_ costs: LayerCosts, _ load: RoutingLoad, owners: [Int]) {
    precondition(
      owners.count == load.expertCount && costs.rankCount == load.rankCount,
      "\(owners.count) owners of \(load.expertCount) experts, \(costs.rankCount) of \(load.rankCount) ranks")
    self.costs = costs
    self.load = load
    self.owners = owners
    hosted = Array(repeating: [], count: load.rankCount)
    for (expert, owner) in owners.enumerated() { hosted[owner].append(expert) }
    chains = Array(repeating: [], count: load.expertCount)
    isShadow = Array(repeating: false, count: load.counts.count)
    ownerRows = load.rowsPerExpert
    compute = Array(repeating: 0, count: load.rankCount)
    adding = compute
    shadowing = compute
    shadowCounts = Array(repeating: 0, count: load.rankCount)
    near = Array(repeating: Traffic(), count: load.rankCount)
    far = Array(repeating: Traffic(), count: costs.hostCount)
    var ranksOfHost = Array(repeating: 0.0, count: costs.hostCount)
    for host in costs.hostOfRank { ranksOfHost[host] += 1 }
    nearByteSeconds = 1 / costs.machine.sameHost.bytesPerSecond
    farByteSeconds = ranksOfHost.map { 1 / ($0 * costs.machine.otherHost.bytesPerSecond) }
    nearPieceSeconds = costs.machine.sameHost.seconds(bytes: Double(LayerCosts.pieceBytes))
    farPieceSeconds = costs.machine.otherHost.seconds(bytes: Double(LayerCosts.pieceBytes))
    addSeconds = costs.addSeconds
    filling = Array(repeating: 0, count: load.expertCount)
    for (expert, owner) in owners.enumerated() { compute[owner] += costs.forwardSeconds(rows: ownerRows[expert]) }
    for source in 0..<load.rankCount {
      for owner in 0..<load.rankCount where owner != source {
        let traffic = Traffic(rows: rows(from: source, to: owner) * costs.shape.rowBytes)
        add(traffic, traffic, from: source, to: owner)
      }
    }
    refresh()
  }
}

// MARK: Predictions

extension LayerLoads {
  private func nearSeconds(_ rank: Int) -> Double { near[rank].bytes * nearByteSeconds }
  private func farSeconds(_ host: Int) -> Double { far[host].bytes * farByteSeconds[host] }
  /// How long the parameters of a rank's shadows take to arrive, and their gradients to leave.
  private func parameterSeconds(to rank: Int) -> Double {
    let host = costs.hostOfRank[rank]
    return max(
      Double(near[rank].parametersIn) * nearByteSeconds, Double(far[host].parametersIn) * farByteSeconds[host])
  }

  private func backwardSeconds(_ rank: Int) -> Double { 2 * compute[rank] + adding[rank] }
  /// What a rank takes for work while the others wait.
  private func alone(_ seconds: Double) -> Double { seconds / costs.machine.soloSpeedup }

  var predictedSeconds: Double {
    var (links, latency) = (0.0, 0.0)
    var forward = costs.machine.makespan(compute)
    var backward = costs.machine.makespan(compute.indices.map(backwardSeconds))
    for rank in near.indices {
      if shadowCounts[rank] > 0 {
        let (arrival, shadows) = (parameterSeconds(to: rank), alone(shadowing[rank]))
        forward = max(forward, arrival + shadows)
        backward = max(backward, alone(compute[rank]) + shadows + arrival)
      }
      links = max(links, nearSeconds(rank))
      if near[rank].rows > 0 { latency = max(latency, costs.machine.sameHost.latencySeconds) }
    }
    for host in far.indices {
      links = max(links, farSeconds(host))
      if far[host].rows > 0 { latency = max(latency, costs.machine.otherHost.latencySeconds) }
    }
    let waiting = 2 * latency + (filling.max() ?? 0)
    let evaluation = max(forward, links) + waiting
    return costs.passes == .training ? evaluation + max(backward, links) + waiting : evaluation
  }

  /// The predicted time with a soft maximum, ⁴√Σ t⁴ over the resources, in place of the hard one.
  ///
  /// What a search descends along: where two ranks are equally busy it falls when one of them gets less, and the change
  /// of a few resources changes it in O(1).
  ///
  /// - Parameter otherFilling: the longest filling among the other experts' chains.
  func smoothSeconds(changing expert: Int, otherFilling: Double) -> Double {
    smoothSeconds(waiting: max(otherFilling, filling[expert]))
  }

  /// The smooth time of a layer without shadows.
  var smoothSeconds: Double { smoothSeconds(waiting: 0) }

  private func smoothSeconds(waiting: Double) -> Double {
    let evaluation = Self.fourthRoot(powers.forward) + waiting
    return costs.passes == .training ? evaluation + Self.fourthRoot(powers.backward) + waiting : evaluation
  }

  /// No chain of an expert without shadows gives less smooth time than this: its rows leave every link and its owner's
  /// processor, and nothing is paid for it. O(W), where trying the chains is much more.
  func leastSmoothSeconds(shadowing expert: Int, otherFilling: Double) -> Double {
    let owner = owners[expert]
    var saved = (near: Array(repeating: 0, count: near.count), far: Array(repeating: 0, count: far.count))
    for rank in near.indices where rank != owner {
      let bytes = load[rank, expert] * costs.shape.rowBytes
      if costs.hostOfRank[rank] == costs.hostOfRank[owner] {
        saved.near[rank] += bytes
        saved.near[owner] += bytes
      } else {
        saved.far[costs.hostOfRank[rank]] += bytes
        saved.far[costs.hostOfRank[owner]] += bytes
      }
    }
    var links = 0.0
    for (rank, bytes) in saved.near.enumerated() where bytes > 0 {
      let seconds = nearSeconds(rank)
      links += Self.fourthPower(seconds) - Self.fourthPower(max(0, seconds - Double(bytes) * nearByteSeconds))
    }
    for (host, bytes) in saved.far.enumerated() where bytes > 0 {
      let seconds = farSeconds(host)
      links += Self.fourthPower(seconds) - Self.fourthPower(max(0, seconds - Double(bytes) * farByteSeconds[host]))
    }
    var least = self
    least.changePowers(by: -links)
    let remote = costs.forwardSeconds(rows: ownerRows[expert]) - costs.forwardSeconds(rows: load[owner, expert])
    least.changeCompute(owner, by: -remote)
    return least.smoothSeconds(changing: expert, otherFilling: otherFilling)
  }

  func longestFilling(without expert: Int) -> Double {
    var longest = 0.0
    for other in filling.indices where other != expert { longest = max(longest, filling[other]) }
    return longest
  }

  /// The ranks that the busiest resources of forward and backward belong to.
  var busiestRanks: Set<Int> {
    let forward = busiestRanks { alone(compute[$0]) }
    return costs.passes == .training ? forward.union(busiestRanks { alone(backwardSeconds($0)) }) : forward
  }

  /// One rank, or all of a host whose link is busier than any rank; the lowest among equals.
  private func busiestRanks(_ processorSeconds: (Int) -> Double) -> Set<Int> {
    var (most, ranks) = (-1.0, Set<Int>())
    for rank in near.indices where max(processorSeconds(rank), nearSeconds(rank)) > most {
      (most, ranks) = (max(processorSeconds(rank), nearSeconds(rank)), [rank])
    }
    for host in far.indices where farSeconds(host) > most {
      (most, ranks) = (farSeconds(host), Set(near.indices.filter { costs.hostOfRank[$0] == host }))
    }
    return ranks
  }

  private static func fourthPower(_ seconds: Double) -> Double { (seconds * seconds) * (seconds * seconds) }
  private static func fourthRoot(_ power: Double) -> Double { max(power, 0).squareRoot().squareRoot() }

  /// Takes the sums anew: subtracting what is large leaves its rounding error.
  mutating func refresh() {
    var links = 0.0
    for rank in near.indices { links += Self.fourthPower(nearSeconds(rank)) }
    for host in far.indices { links += Self.fourthPower(farSeconds(host)) }
    powers = (links, links)
    for rank in compute.indices {
      powers.forward += Self.fourthPower(alone(compute[rank]))
      powers.backward += Self.fourthPower(alone(backwardSeconds(rank)))
    }
  }
}

// MARK: Changes

extension LayerLoads {
  /// A rank computes its own tokens' rows for an expert that another one hosts.
  mutating func addShadow(of expert: Int, on rank: Int) { setShadow(true, of: expert, on: rank) }

  mutating func removeShadow(of expert: Int, on rank: Int) { setShadow(false, of: expert, on: rank) }

  private mutating func setShadow(_ isAdded: Bool, of expert: Int, on rank: Int) {
    let (owner, rows, entry) = (owners[expert], load[rank, expert], rank * load.expertCount + expert)
    precondition(owner != rank && isShadow[entry] != isAdded, "expert \(expert) of rank \(owner) on rank \(rank)")
    countRows(from: rank, to: owner, sign: -1)
    isShadow[entry] = isAdded
    countRows(from: rank, to: owner, sign: 1)
    let before = costs.forwardSeconds(rows: ownerRows[expert])
    ownerRows[expert] += isAdded ? -rows : rows
    changeCompute(owner, by: costs.forwardSeconds(rows: ownerRows[expert]) - before)
    let seconds = costs.forwardSeconds(rows: rows) * (isAdded ? 1 : -1)
    changeCompute(rank, by: seconds)
    shadowCounts[rank] += isAdded ? 1 : -1
    // What is left of none is nothing, to the bit.
    shadowing[rank] = shadowCounts[rank] > 0 ? shadowing[rank] + seconds : 0
    changeChain(of: expert, isAdded: isAdded, rank)
  }

  /// Exchanges the owners of two experts that have no shadows.
  mutating func swap(_ expert: Int, _ other: Int) {
    precondition(chains[expert].isEmpty && chains[other].isEmpty, "expert \(expert) or \(other) has shadows")
    let (first, second) = (owners[expert], owners[other])
    countRows(to: first, second, sign: -1)
    owners.swapAt(expert, other)
    for rank in [first, second] { hosted[rank] = owners.indices.filter { owners[$0] == rank } }
    countRows(to: first, second, sign: 1)
    let seconds = costs.forwardSeconds(rows: ownerRows[expert]) - costs.forwardSeconds(rows: ownerRows[other])
    changeCompute(first, by: -seconds)
    changeCompute(second, by: seconds)
  }

  private mutating func countRows(to first: Int, _ second: Int, sign: Int) {
    for source in 0..<load.rankCount {
      countRows(from: source, to: first, sign: sign)
      countRows(from: source, to: second, sign: sign)
    }
  }

  private mutating func changeCompute(_ rank: Int, by seconds: Double, adding gradients: Double = 0) {
    powers.forward -= Self.fourthPower(alone(compute[rank]))
    powers.backward -= Self.fourthPower(alone(backwardSeconds(rank)))
    compute[rank] += seconds
    adding[rank] += gradients
    powers.forward += Self.fourthPower(alone(compute[rank]))
    powers.backward += Self.fourthPower(alone(backwardSeconds(rank)))
  }

  private mutating func changeTraffic(_ from: Int, _ to: Int, rows: Int = 0, parameters: Int = 0) {
    changePowers(by: -linkPower(from, to))
    add(
      Traffic(rows: rows, parametersOut: parameters), Traffic(rows: rows, parametersIn: parameters), from: from, to: to)
    changePowers(by: linkPower(from, to))
  }

  private mutating func add(_ out: Traffic, _ into: Traffic, from: Int, to: Int) {
    let (fromHost, toHost) = (costs.hostOfRank[from], costs.hostOfRank[to])
    if fromHost == toHost {
      near[from].add(out)
      near[to].add(into)
    } else {
      far[fromHost].add(out)
      far[toHost].add(into)
    }
  }

  /// What both ends of the link between two ranks add to the sums.
  private func linkPower(_ from: Int, _ to: Int) -> Double {
    let (fromHost, toHost) = (costs.hostOfRank[from], costs.hostOfRank[to])
    return fromHost == toHost
      ? Self.fourthPower(nearSeconds(from)) + Self.fourthPower(nearSeconds(to))
      : Self.fourthPower(farSeconds(fromHost)) + Self.fourthPower(farSeconds(toHost))
  }

  private mutating func changePowers(by power: Double) {
    powers.forward += power
    powers.backward += power
  }

  private mutating func countRows(from source: Int, to owner: Int, sign: Int) {
    guard source != owner else { return }
    let rows = rows(from: source, to: owner)
    if rows > 0 { changeTraffic(source, owner, rows: sign * rows * costs.shape.rowBytes) }
  }

  /// The rows that a rank's tokens need of another one: a token travels to a rank once, however many of its experts live
  /// there, and comes back once if all of them do or it has no more than two.
  ///
  /// Counts do not tell which experts share tokens. With c_e of B tokens choosing e as if independently, B (1 − Π (1 − c_e/B))
  /// choose any of a set; at least Σ c_e / K must. Exact for one expert, for K = 1 and for sets that all choices lie in.
  private func rows(from source: Int, to owner: Int) -> Int {
    let tokens = Double(load.tokenCounts[source])
    var (total, missing) = (0, 1.0)
    for expert in hosted[owner] {
      let entry = source * load.expertCount + expert
      guard !isShadow[entry], load.counts[entry] > 0 else { continue }
      total += load.counts[entry]
      missing *= 1 - Double(load.counts[entry]) / tokens
    }
    return max(Int(tokens * (1 - missing) + 0.5), (total + load.expertsPerToken - 1) / load.expertsPerToken)
  }
}

// MARK: Chains

extension LayerLoads {
  /// The place of a rank in an owner's chains: the owner's host first, so that parameters enter each host once, then by
  /// falling host and rank, so that gradients, which come the other way, are added in order of rank.
  private func chainKey(_ rank: Int, owner: Int) -> Int {
    let host = costs.hostOfRank[rank]
    let hostPlace = host == costs.hostOfRank[owner] ? 0 : far.count - host
    return hostPlace * load.rankCount + load.rankCount - 1 - rank
  }

  private mutating func changeChain(of expert: Int, isAdded: Bool, _ rank: Int) {
    let owner = owners[expert]
    let key = chainKey(rank, owner: owner)
    let place = chains[expert].firstIndex { chainKey($0, owner: owner) >= key } ?? chains[expert].count
    if !isAdded { chains[expert].remove(at: place) }
    let before = place > 0 ? chains[expert][place - 1] : owner
    let after = place < chains[expert].count ? chains[expert][place] : nil
    let sign = isAdded ? 1 : -1
    changeLink(before, rank, of: expert, sign: sign)
    if let after {
      changeLink(rank, after, of: expert, sign: sign)
      changeLink(before, after, of: expert, sign: -sign)
    }
    if isAdded { chains[expert].insert(rank, at: place) }
    // An empty chain fills in no time, to the bit.
    if chains[expert].isEmpty { filling[expert] = 0 }
  }

  private mutating func changeLink(_ from: Int, _ to: Int, of expert: Int, sign: Int) {
    changeTraffic(from, to, parameters: sign * costs.shape.parameterBytes)
    changeCompute(from, by: 0, adding: Double(sign) * addSeconds)
    // How much later the second rank of a link has what the first one has.
    let isNear = costs.hostOfRank[from] == costs.hostOfRank[to]
    filling[expert] += Double(sign) * (isNear ? nearPieceSeconds : farPieceSeconds)
  }
}
