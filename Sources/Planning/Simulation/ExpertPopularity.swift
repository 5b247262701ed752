/// How often tokens choose each expert when K different ones are drawn for each, one after another, by weight.
///
/// Such a draw is a race: expert i arrives at an exponentially distributed time of rate wᵢ, the first K win. Given the time
/// τ of the K-th arrival, expert i is among them with probability πᵢ = 1 − exp(−wᵢ·τ); τ is taken such that Σ πᵢ = K
/// (Rosén, Asymptotic theory for order sampling, 1997). What a token does at a whole group of experts follows from
/// independent choices with these probabilities, of which there are K in all.
package struct ExpertPopularity: Hashable, Sendable {
  package let expertsPerToken: Int
  /// The probability that a token chooses each expert; the sum is K. [E]
  package let inclusion: [Double]

  /// - Parameter weights: above zero. [E]
  package init(weights: [Double], expertsPerToken: Int) {
    precondition(
      expertsPerToken > 0 && expertsPerToken <= weights.count && weights.allSatisfy { $0 >= 0 },
      "\(expertsPerToken) of \(weights.count) experts")
    self.expertsPerToken = expertsPerToken
    guard expertsPerToken < weights.count else {
      inclusion = Array(repeating: 1, count: weights.count)
      return
    }
    let total = weights.reduce(0, +)
    let shares = weights.map { $0 / total }
    guard expertsPerToken > 1 else {
      inclusion = shares
      return
    }
    let time = Self.time(shares, expertsPerToken)
    let raw = shares.map { 1 - exponential(ofMinus: $0 * time) }
    let sum = raw.reduce(0, +)
    inclusion = raw.map { min(1, $0 * Double(expertsPerToken) / sum) }
  }

  /// τ by bisection: Σ (1 − exp(−wᵢ·τ)) grows with τ.
  private static func time(_ shares: [Double], _ wanted: Int) -> Double {
    var (low, high) = (0.0, 1.0)
    func count(_ time: Double) -> Double { shares.reduce(0) { $0 + 1 - exponential(ofMinus: $1 * time) } }
    while count(high) < Double(wanted) && high < 1e300 { (low, high) = (high, 2 * high) }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if count(middle) < Double(wanted) { low = middle } else { high = middle }
    }
    return high
  }
}

/// exp(−x) for x ≥ 0, the same bits on every machine: a Taylor sum for x / 2ⁿ ≤ 1/16, then n squarings.
func exponential(ofMinus x: Double) -> Double {
  guard x < 700 else { return 0 }
  var (reduced, squarings) = (x, 0)
  while reduced > 0.0625 { (reduced, squarings) = (reduced / 2, squarings + 1) }
  var (term, sum) = (1.0, 1.0)
  for order in 1...10 {
    term *= -reduced / Double(order)
    sum += term
  }
  for _ in 0..<squarings { sum *= sum }
  return sum
}

/// What a token does at each peer: how likely it goes there at all, and how likely with all of its choices.
struct PeerVisits {
  /// The expected number of a token's experts at each peer. [P]
  let choices: [Double]
  /// [P]
  let isVisited: [Double]
  /// [P]
  let isWhole: [Double]

  /// More choices than this are taken as independent: the distributions below cost K² for each peer.
  private static let mostChoices = 64

  /// - Parameter experts: those of each peer. [P]
  init(_ popularity: ExpertPopularity, experts: [Range<Int>]) {
    let inclusion = popularity.inclusion
    let count = popularity.expertsPerToken
    let choices = experts.map { $0.reduce(0) { $0 + inclusion[$1] } }
    self.choices = choices
    guard count <= Self.mostChoices else {
      isVisited = experts.map { 1 - $0.reduce(1) { $0 * (1 - inclusion[$1]) } }
      isWhole = choices.map { _ in 0 }
      return
    }
    // How many experts a token would choose at each peer if it chose each on its own; then, at all peers but one.
    let own = experts.map { range in
      range.reduce(into: CountDistribution(limit: count)) { $0.add(probability: inclusion[$1]) }
    }
    let rest = CountDistribution.allButOne(own, limit: count)
    let all = zip(own, rest).map { $0.convolved($1)[count] }
    isVisited = experts.indices.map { peer in
      all[peer] > 0 ? min(1, max(0, 1 - own[peer][0] * rest[peer][count] / all[peer])) : min(1, choices[peer])
    }
    isWhole = experts.indices.map { peer in
      all[peer] > 0 ? min(1, own[peer][count] * rest[peer][0] / all[peer]) : 0
    }
  }
}

/// The probabilities of 0, 1, … events, up to a limit.
private struct CountDistribution {
  private var probabilities: [Double]

  init(limit: Int) { probabilities = [1] + Array(repeating: 0, count: limit) }

  subscript(count: Int) -> Double { probabilities[count] }

  /// One more independent event.
  mutating func add(probability: Double) {
    for count in probabilities.indices.reversed() {
      probabilities[count] *= 1 - probability
      if count > 0 { probabilities[count] += probabilities[count - 1] * probability }
    }
  }

  /// The sum of two independent counts.
  func convolved(_ other: CountDistribution) -> CountDistribution {
    var result = self
    for count in probabilities.indices {
      result.probabilities[count] = (0...count).reduce(0) { $0 + probabilities[$1] * other[count - $1] }
    }
    return result
  }

  /// For each, the sum of all others.
  static func allButOne(_ parts: [CountDistribution], limit: Int) -> [CountDistribution] {
    var behind = [CountDistribution(limit: limit)]
    for part in parts.reversed() { behind.append(behind[behind.count - 1].convolved(part)) }
    var before = CountDistribution(limit: limit)
    return parts.indices.map { index in
      defer { before = before.convolved(parts[index]) }
      return before.convolved(behind[parts.count - 1 - index])
    }
  }
}
