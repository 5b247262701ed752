import FlightRecorder
import Planning
import TestSupport
import Topology
import Tracing
import Watchdog

/// What ranks and those who watch them send each other.
enum WireTargets {
  static let all = [dispatchManifest, relayedManifests, trace, frames, watchAddress, record]

  // MARK: The exchange

  private static let placement = ExpertPlacement(expertCount: 5, rankCount: 2)
  private static let tokenLimit = 6

  private static let manifests: [DispatchManifest] = [0, 1].map { rank in
    let decision = RoutingDecision(
      expertsPerToken: 2, expertIDs: [0, 3, 4, 1, 2, 3, 0, 1], gateWeights: [0.5, 0.5, 0.75, 0.25, 1, 0, 0.5, 0.5],
      isKept: [true, true, true, false, true, true, true, true])
    let plan = DispatchPlan(decision, placement: placement, rank: Rank(rank))
    return DispatchManifest(plan, to: Rank(0), sequence: 3, hiddenSize: 8)
  }

  private static let dispatchManifest = FuzzTarget(
    "dispatch manifest", refusal: ManifestError.self, seeds: manifests.map { FuzzTargets.bytes($0.words) }
  ) { input in
    let words = FuzzTargets.words(input, of: Int32.self)
    let manifest = try DispatchManifest(
      words: words, sequence: 3, hiddenSize: 8, hostedCount: placement.experts(of: Rank(0)).count,
      tokenLimit: tokenLimit)
    try hold(manifest.words == words, "its words are others than those it was read from")
    let plan = ReceivePlan([manifest])
    try hold(plan.positions[0].allSatisfy { Int($0) < plan.paddedRowCount }, "a row lies outside of the experts' rows")
  }

  private static let relayedManifests = FuzzTarget(
    "manifests that a relay passes on", refusal: ManifestError.self,
    seeds: [FuzzTargets.bytes(DispatchManifest.joined(manifests.map { $0.words[...] }))]
  ) { input in
    let words = FuzzTargets.words(input, of: Int32.self)
    guard let parts = DispatchManifest.parts(of: words, count: manifests.count) else { return }
    try hold(DispatchManifest.joined(parts) == words, "its parts are not the message")
    for part in parts {
      let counts = try DispatchManifest.counts(of: part, tokenLimit: tokenLimit, expertsPerToken: 2)
      try hold((0...tokenLimit).contains(counts.rows) && counts.returnRows <= counts.assignments, "\(counts)")
    }
  }

  // MARK: Traces

  private static let trace = FuzzTarget(
    "trace of a rank", refusal: TraceError.self,
    seeds: [
      RankTrace(
        rank: 0, host: "h",
        events: TraceKind.allCases.enumerated().map { index, kind in
          TraceEvent(
            kind, start: Int64(index) * 1_000, duration: 500,
            site: TraceSite(step: Int32(index), layer: nil, pass: .forward),
            details: TraceDetails(direction: .sent, peer: 1, expert: 2, chunk: nil, byteCount: 77))
        }
      ).encoded
    ]
  ) { input in
    let trace = try RankTrace(rank: 0, host: "h", decoding: input)
    try hold(trace.encoded == input, "it is not what it was read from")
    try hold(!ChromeTrace([trace]).text.isEmpty, "it cannot be written")
  }

  // MARK: The watch

  private static let frames = FuzzTarget(
    "frames of the watch", refusal: FuzzTargets.NotRead.self,
    seeds: [
      [Frame(.hello, [UInt8](repeating: 3, count: 20)), Frame(.record, [UInt8](repeating: 9, count: 40))],
      [
        Frame(.limits, [1, 2, 3, 4]), Frame(.folder, Array("runs/records".utf8)), Frame(.dying, [11]), Frame(.goodbye),
      ],
    ].map { $0.flatMap(\.bytes) }
  ) { input in
    var rest = input
    guard let frames = Frame.take(from: &rest) else { throw FuzzTargets.NotRead() }
    try hold(frames.flatMap(\.bytes) + rest == input, "frames and rest are not what arrived")
    // However the bytes arrive, the frames are the same.
    var arrived = Array(input.prefix(input.count / 2))
    let first = Frame.take(from: &arrived)
    arrived += input.dropFirst(input.count / 2)
    try hold((first ?? []) + (Frame.take(from: &arrived) ?? []) == frames, "in two pieces they are other frames")
  }

  private static let watchAddress = FuzzTarget(
    "address of the watch", refusal: FuzzTargets.NotRead.self,
    seeds: [WatchAddress(hosts: [1, 2], port: 7).bytes, Array(WatchAddress(hosts: [], port: 0).secretText.utf8)]
  ) { input in
    let address = WatchAddress(bytes: input)
    let secret = WatchAddress(secretText: String(decoding: input, as: UTF8.self))
    guard let known = address ?? secret else { throw FuzzTargets.NotRead() }
    if let address { try hold(address.bytes == input, "it is not read back as it was written") }
    try hold(known.rank(of: known.hello(of: 3), below: 4) == 3, "a rank is taken for a stranger")
    let hello = known.hello(of: 0).content.dropLast(4) + input.suffix(4)
    let rank = known.rank(of: Frame(.hello, Array(hello)), below: 4)
    try hold(rank.map { (0..<4).contains($0) } ?? true, "\(rank ?? -1) is no rank")
  }

  private static let record = FuzzTarget("flight record", refusal: RecordError.self, seeds: [snapshot]) { input in
    let record = try FlightRecord(input)
    try hold((0..<record.rankCount).contains(record.rank), "rank \(record.rank)")
    try hold(record.sentCounts.count == record.rankCount, "counts of \(record.sentCounts.count) ranks")
    let known = (record.wait?.missing ?? []) + record.losses.map(\.rank) + record.operations.compactMap(\.peer)
    try hold(known.allSatisfy { (0..<record.rankCount).contains($0) }, "ranks that there are not: \(known)")
    _ = record.operations.map(\.description) + [record.standing?.description ?? "", record.end?.text ?? ""]
  }

  private static let snapshot: [UInt8] = {
    let recorder = FlightRecorder(rank: 1, rankCount: 2, hostName: "höst")
    recorder.enter("dispatch", step: 3, layer: 2)
    recorder.sent(to: 0, byteCount: 40, tag: 7)
    recorder.received(from: 0, byteCount: 8, tag: 1)
    recorder.beginWait(for: "a barrier", missing: [0])
    recorder.end(.error, code: 75, text: "rank 0 is lost", blamed: 0)
    return recorder.snapshot()
  }()
}
