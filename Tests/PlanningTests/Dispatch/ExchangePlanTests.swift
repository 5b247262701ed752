import Planning
import TestSupport
import Testing
import Topology

/// A plan's work against what is found token by token in the routing decisions.
@Suite("Exchange plan")
struct ExchangePlanTests {
  static let seeds = 0..<60

  static func plans(seed: Int) -> (exchange: RandomExchange, plans: [ExchangePlan]) {
    var generator = SeededGenerator(seed: seed)
    let exchange = RandomExchange(seed: seed, tokenCounts: 0...90, isShadowed: seed % 3 == 0)
    return (exchange, exchange.exchangePlans(&generator))
  }

  @Test("has a task wait for the chunks that bring its rows, and for its expert's stream", arguments: seeds)
  func needs(seed: Int) {
    let (exchange, plans) = Self.plans(seed: seed)
    for plan in plans {
      let hosted = exchange.placement.experts(of: plan.own).count
      let streams = (hosted..<plan.received.expertCount).map(LocalExpert.init)
      let forward = plan.forwardWork(streams: streams)
      let backward = plan.backwardWork(finalExperts: [])
      let visits = NaiveVisits(exchange, to: plan).all.filter { $0.source != plan.own }
      for (index, task) in plan.tasks.enumerated() {
        var chunks: [Int: Int] = [:]
        for visit in visits where task.rows.contains(visit.place) {
          chunks[visit.source.index] = max(chunks[visit.source.index] ?? 0, visit.row / plan.chunkRows + 1)
        }
        #expect(backward.chunkCounts(needs: index) == chunks)
        if let stream = streams.firstIndex(of: task.expert) { chunks[plan.rankCount + stream] = 1 }
        #expect(forward.chunkCounts(needs: index) == chunks)
        #expect(forward.needs[index].count == chunks.count)
      }
    }
  }

  @Test("has a chunk of results, and the closing message, wait for the tasks that compute them", arguments: seeds)
  func feeds(seed: Int) {
    let (exchange, plans) = Self.plans(seed: seed)
    for plan in plans {
      let forward = plan.forwardWork()
      let backward = plan.backwardWork(finalExperts: [])
      let foreign = NaiveVisits(exchange, to: plan).all.filter { $0.source != plan.own }
      for (index, task) in plan.tasks.enumerated() {
        let visits = foreign.filter { task.rows.contains($0.place) }
        let results = visits.map {
          ExchangeWork.Feed(source: $0.source.index, chunk: $0.returnRow / plan.chunkRows)
        }
        #expect(forward.feeds[index].count == Set(results).count && Set(forward.feeds[index]) == Set(results))
        let closing = visits.map {
          ExchangeWork.Feed(source: $0.source.index, chunk: Int(forward.returnChunks[$0.source.index]))
        }
        #expect(Set(backward.feeds[index]) == Set(results + closing))
        #expect(backward.feeds[index].count == Set(results + closing).count)
      }
    }
  }

  @Test("cuts rows into chunks, and closes results backward", arguments: seeds)
  func chunkCounts(seed: Int) {
    let (exchange, plans) = Self.plans(seed: seed)
    for plan in plans {
      let finals = (0..<plan.received.expertCount).map(LocalExpert.init)
      let forward = plan.forwardWork()
      let backward = plan.backwardWork(finalExperts: finals)
      for peer in exchange.ranks {
        let isPeer = peer != plan.own
        func chunks(_ rows: some Collection) -> Int { isPeer ? naiveChunks(rows.count, plan.chunkRows) : 0 }
        let outgoing = exchange.rowTokens(from: plan.own, to: peer)
        let incoming = exchange.rowTokens(from: peer, to: plan.own)
        let results = chunks(exchange.results(from: plan.own, to: peer))
        let returns = chunks(exchange.results(from: peer, to: plan.own))
        for work in [forward, backward] {
          #expect(Int(work.dispatchChunks[peer.index]) == chunks(outgoing))
          #expect(Int(work.arrivalChunks[peer.index]) == chunks(incoming))
        }
        #expect(Int(forward.resultChunks[peer.index]) == results)
        #expect(Int(forward.returnChunks[peer.index]) == returns)
        #expect(Int(backward.resultChunks[peer.index]) == results + (isPeer && !outgoing.isEmpty ? 1 : 0))
        #expect(Int(backward.returnChunks[peer.index]) == returns + (isPeer && !incoming.isEmpty ? 1 : 0))
      }
      #expect(backward.taskExperts == plan.tasks.map { Int32($0.expert.index) })
      #expect(backward.finalExperts == finals.map { Int32($0.index) } && forward.finalExperts == [])
      #expect([forward.rank, forward.rankCount] == [plan.own.index, exchange.ranks.count])
    }
  }

  /// One after another until there are none.
  private func naiveChunks(_ rowCount: Int, _ chunkRows: Int) -> Int {
    stride(from: 0, to: rowCount, by: chunkRows).reduce(0) { count, _ in count + 1 }
  }

  @Test("has the rows of a source's chunks one after another", arguments: [1, 3, 16])
  func rowsOfChunks(chunkRows: Int) {
    let exchange = RandomExchange(seed: 3)
    let plan = exchange.exchangePlans(chunkRows: chunkRows, cut: .whole)[0]
    for count in 1...40 {
      let chunkCount = (count + chunkRows - 1) / chunkRows
      let chunks = (0..<chunkCount).map { plan.rows(ofChunk: $0, of: count) }
      #expect(chunks.flatMap(Array.init) == Array(0..<count))
      #expect(chunks.allSatisfy { 1...chunkRows ~= $0.count } && chunks.dropLast().allSatisfy { $0.count == chunkRows })
    }
  }

  @Test("has returns in order of the last expert of their sum, then the token", arguments: seeds)
  func returnOrder(seed: Int) {
    let (exchange, plans) = Self.plans(seed: seed)
    for plan in plans {
      for source in exchange.ranks {
        let expected = exchange.results(from: source, to: plan.own)
        let assignments = plan.received.assignments[source.index]
        #expect(plan.received.returnRowCounts[source.index] == expected.count)
        for (row, summands) in expected.enumerated() {
          #expect(assignments.filter { $0.returnRow == row }.map { Int($0.index) }.sorted() == summands)
        }
        let tokens = expected.map { $0[0] / exchange.expertsPerToken }
        #expect(plans[source.index].dispatch.tokenOfReturnRow[plan.own.index].map(Int.init) == tokens)
      }
    }
  }

  @Test("places each row that arrives with each of its experts", arguments: seeds)
  func arrivals(seed: Int) {
    let (exchange, plans) = Self.plans(seed: seed)
    for plan in plans {
      for source in exchange.ranks {
        let visits = NaiveVisits(exchange, to: plan).all.filter { $0.source == source }
        let arrival = plan.arrivals[source.index]
        let rowCount = exchange.rowTokens(from: source, to: plan.own).count
        #expect(arrival.offsets.first == 0 && arrival.offsets.count == rowCount + 1)
        for row in 0..<rowCount {
          let places = arrival.places[Int(arrival.offsets[row])..<Int(arrival.offsets[row + 1])]
          #expect(places.map(Int.init) == visits.filter { $0.row == row }.map(\.place).sorted())
        }
      }
    }
  }
}

extension ExchangeWork {
  /// The chunks that a task needs of each source that it needs any of.
  fileprivate func chunkCounts(needs task: Int) -> [Int: Int] {
    Dictionary(needs[task].map { (Int($0.source), Int($0.chunkCount)) }) { first, _ in -first }
  }
}
