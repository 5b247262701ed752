import Communication
import Planning
import Tensors
import Topology

/// Measures one class of links, all of its ranks at once. Every rank of the job takes part, those without a partner by
/// waiting; every rank gets the same numbers, those of the slowest.
struct LinkProbe {
  private let world: any Communicator
  private let rounds: [LinkProbePlan.Round]
  private let message: Buffer<UInt8>
  private let small: Buffer<UInt8>

  /// As large as a chunk of 64 rows of 2 KB, about what exchanges send.
  private static let messageByteCount = 128 << 10
  /// Of one rank in all rounds of a sample together.
  private static let mostMessages = 96
  /// A shaped link passes its first few hundred kilobytes at once, so samples grow until they take this long, …
  private static let meaningfulSeconds = 0.02
  /// … and the ones that count take about this long.
  private static let sampleSeconds = 0.025
  private static let sampleCount = 3
  private static let pairCount = 3
  private static let shiftCount = 16
  private static let burstCount = 64
  private static let tag = Tag(0)

  init(_ link: LinkClass, hosts: HostMap, over world: any Communicator) {
    self.world = world
    rounds = LinkProbePlan(link, hosts: hosts, rank: world.rank.index).rounds
    message = Buffer(count: Self.messageByteCount)
    small = Buffer(count: 64)
  }

  /// Nil when no two ranks of the job are of this class.
  func measure() throws -> LinkCost? {
    guard let bytesPerSecond = try bytesPerSecond() else { return nil }
    let latency = try latencySeconds()
    return LinkCost(
      latencySeconds: latency, bytesPerSecond: bytesPerSecond, messageSeconds: try messageSeconds(latency: latency))
  }

  /// What one rank sends and receives per second while all others do.
  func bytesPerSecond() throws -> Double? {
    guard !rounds.isEmpty else { return nil }
    let area = Buffer<UInt8>(count: mostSources * messagesPerRound(Self.mostMessages) * Self.messageByteCount)
    area.fill(0)
    var count = rounds.count
    var seconds = try self.seconds(messages: count, area)
    while seconds < Self.meaningfulSeconds && 2 * count <= Self.mostMessages {
      count *= 2
      seconds = try self.seconds(messages: count, area)
    }
    // Every rank has the same times, so every rank takes the same count.
    let wanted = Double(count) * Self.sampleSeconds / max(seconds, 1e-6)
    count = Int(min(max(wanted, Double(rounds.count)), Double(Self.mostMessages)))
    let samples = try (0..<Self.sampleCount).map { _ in try self.seconds(messages: count, area) }
    let byteCount = messagesPerRound(count) * rounds.count * Self.messageByteCount
    return Double(byteCount) / max(Stopwatch.median(samples), 1e-9)
  }

  /// One shift of small messages around all ranks: each waits for its neighbour's before it sends again.
  private func latencySeconds() throws -> Double {
    let area = Buffer<UInt8>(count: mostSources * small.count)
    let samples = try (0..<Self.sampleCount).map { _ in
      try Stopwatch.slowest(over: world) {
        for _ in 0..<Self.shiftCount { try exchange(rounds[0], small, count: 1, into: area) }
      }
    }
    return Stopwatch.median(samples) / Double(Self.shiftCount)
  }

  /// Many small messages at once: what each of them takes of the processors at its ends, once the first is there.
  private func messageSeconds(latency: Double) throws -> Double {
    let area = Buffer<UInt8>(count: mostSources * Self.burstCount * small.count)
    let samples = try (0..<Self.sampleCount).map { _ in
      try Stopwatch.slowest(over: world) { try exchange(rounds[0], small, count: Self.burstCount, into: area) }
    }
    return max(0, Stopwatch.median(samples) - latency) / Double(2 * Self.burstCount)
  }

  /// What a byte takes of the processors at both of its ends: how much longer ranks compute while messages travel.
  ///
  /// - Parameters:
  ///   - compute: a product on every thread of this rank.
  ///   - productSeconds: about how long it takes; the same number on all ranks.
  func byteSeconds(_ link: LinkCost, beside compute: () -> Void, productSeconds: Double) throws -> Double {
    let wanted = Self.sampleSeconds * link.bytesPerSecond / Double(Self.messageByteCount)
    let count = Int(min(max(wanted, 8), Double(Self.mostMessages)))
    let byteCount = Double(count * Self.messageByteCount)
    // The messages are gone before the products are done, also where those take the messages' time as well.
    let products = max(1, Int(2 * byteCount / link.bytesPerSecond / max(productSeconds, 1e-5)))
    let area = Buffer<UInt8>(count: mostSources * count * Self.messageByteCount)
    area.fill(0)
    let samples = try (0..<Self.pairCount).map { _ in
      let alone = try Stopwatch.slowest(over: world) { for _ in 0..<products { compute() } }
      let together = try Stopwatch.slowest(over: world) {
        let requests = try start(rounds[0], message, count: count, into: area)
        for _ in 0..<products {
          compute()
          try world.poke(requests)
        }
        try finish(requests)
      }
      return together - alone
    }
    return max(0, Stopwatch.median(samples)) / (2 * byteCount)
  }

  private var mostSources: Int { rounds.map(\.sources.count).max() ?? 0 }

  private func messagesPerRound(_ count: Int) -> Int { max(1, count / rounds.count) }

  private func seconds(messages: Int, _ area: Buffer<UInt8>) throws -> Double {
    try Stopwatch.slowest(over: world) {
      for round in rounds { try exchange(round, message, count: messagesPerRound(messages), into: area) }
    }
  }

  /// Sends the same message `count` times and receives as many from each source.
  private func exchange(
    _ round: LinkProbePlan.Round, _ message: Buffer<UInt8>, count: Int, into area: Buffer<UInt8>
  ) throws {
    try finish(start(round, message, count: count, into: area))
  }

  private func start(
    _ round: LinkProbePlan.Round, _ message: Buffer<UInt8>, count: Int, into area: Buffer<UInt8>
  ) throws -> [Request] {
    var requests: [Request] = []
    for (place, source) in round.sources.enumerated() {
      for index in 0..<count {
        let start = (place * count + index) * message.count
        let part = area[start..<start + message.count]
        requests.append(try world.startReceive(into: part, from: Rank(source), tag: Self.tag))
      }
    }
    if let target = round.target {
      for _ in 0..<count { requests.append(try world.startSend(message, to: Rank(target), tag: Self.tag)) }
    }
    return requests
  }

  private func finish(_ requests: [Request]) throws {
    try world.wait(for: requests, what: "a measurement of links")
    for request in requests { try request.requireFull() }
  }
}
