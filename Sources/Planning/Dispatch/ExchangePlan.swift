package import Topology

/// Everything that is decided about one layer's exchange when the manifests are in; forward and backward both follow it.
package struct ExchangePlan: Sendable {
  package let dispatch: DispatchPlan
  package let received: ReceivePlan
  /// Rows of a message at most; the same on all ranks.
  package let chunkRows: Int
  /// Blocks of the experts' rows that are computed at once.
  package let tasks: [RowTask]
  /// Where the rows of each source go. [P]; this rank's own need no plan
  package let arrivals: [ArrivalPlan]
  /// What goes back to each source. [P]; this rank's own need no plan
  package let returns: [ReturnPlan]

  package init(dispatch: DispatchPlan, received: ReceivePlan, chunkRows: Int, cut: TaskCut) {
    self.dispatch = dispatch
    self.received = received
    self.chunkRows = chunkRows
    tasks = cut.tasks(received, own: dispatch.rank)
    arrivals = dispatch.placement.ranks.map { ArrivalPlan(received, source: $0) }
    returns = dispatch.placement.ranks.map { ReturnPlan(received, source: $0) }
  }

  package var own: Rank { dispatch.rank }
  package var rankCount: Int { dispatch.placement.rankCount }

  /// The rows of a chunk, of so many that travel.
  package func rows(ofChunk chunk: Int, of rowCount: Int) -> Range<Int> {
    chunk * chunkRows..<min((chunk + 1) * chunkRows, rowCount)
  }

  /// The work of the forward pass: rows out, results back.
  ///
  /// - Parameter streams: for each stream of a shadow's parameters, the local expert whose tasks need it.
  package func forwardWork(streams: [LocalExpert] = []) -> ExchangeWork {
    work(closing: false, finalExperts: [], streams: streams, travelling: [])
  }

  /// The work of the backward pass: the same, a closing message with the gate weights' gradients behind the results of
  /// each source, and final tasks that make weight gradients.
  ///
  /// - Parameters:
  ///   - finalExperts: the expert of each final task.
  ///   - travelling: the local experts whose gradients go along a chain of shadows.
  package func backwardWork(finalExperts: [LocalExpert], travelling: [LocalExpert] = []) -> ExchangeWork {
    work(closing: true, finalExperts: finalExperts, streams: [], travelling: travelling)
  }
}

extension ExchangePlan {
  private func work(
    closing: Bool, finalExperts: [LocalExpert], streams: [LocalExpert], travelling: [LocalExpert]
  ) -> ExchangeWork {
    let peers = dispatch.placement.ranks
    let isPeer = peers.map { $0 != own }
    func chunks(_ counts: [Int], closingWhere hasClosing: (Rank) -> Bool) -> [Int32] {
      peers.map { peer in
        guard isPeer[peer.index] else { return 0 }
        return Int32((counts[peer.index] + chunkRows - 1) / chunkRows + (closing && hasClosing(peer) ? 1 : 0))
      }
    }
    let returnChunks = chunks(received.returnRowCounts) { !received.assignments[$0.index].isEmpty }
    var needs: [[ExchangeWork.Need]] = Array(repeating: [], count: tasks.count)
    var feeds: [[ExchangeWork.Feed]] = Array(repeating: [], count: tasks.count)
    let taskOfPlace = TaskOfPlace(tasks, placeCount: received.paddedRowCount)
    for source in peers where isPeer[source.index] {
      addNeeds(&needs, of: source, taskOfPlace)
      addFeeds(&feeds, of: source, taskOfPlace)
      guard closing, returnChunks[source.index] > 0 else { continue }
      let last = ExchangeWork.Feed(source: source.index, chunk: Int(returnChunks[source.index]) - 1)
      for task in tasks.indices where feeds[task].last?.source == last.source { feeds[task].append(last) }
    }
    for (stream, expert) in streams.enumerated() {
      for task in tasks.indices where tasks[task].expert == expert {
        needs[task].append(ExchangeWork.Need(source: rankCount + stream, chunkCount: 1))
      }
    }
    return ExchangeWork(
      rank: own.index, dispatchChunks: chunks(peers.map { dispatch.rows(to: $0).count }) { _ in false },
      arrivalChunks: chunks(received.rowCounts) { _ in false } + streams.map { _ in 1 }, returnChunks: returnChunks,
      resultChunks: chunks(dispatch.returnRowCounts) { !dispatch.assignments(of: $0).isEmpty },
      needs: needs, feeds: feeds, taskExperts: tasks.map { Int32($0.expert.index) },
      taskRows: tasks.map { Int32($0.rows.count) },
      finalExperts: finalExperts.map { Int32($0.index) }, travellingExperts: Set(travelling.map { Int32($0.index) }))
  }

  /// Tasks that are neighbours among one expert's rows, as one.
  package func task(of run: Range<Int>) -> RowTask {
    let (first, last) = (tasks[run.lowerBound], tasks[run.upperBound - 1])
    return RowTask(expert: first.expert, rows: first.rows.lowerBound..<last.rows.upperBound)
  }

  /// A task needs the chunks up to the last of its rows.
  private func addNeeds(_ needs: inout [[ExchangeWork.Need]], of source: Rank, _ taskOfPlace: TaskOfPlace) {
    let arrival = arrivals[source.index]
    for row in 0..<received.rowCounts[source.index] {
      let need = ExchangeWork.Need(source: source.index, chunkCount: row / chunkRows + 1)
      for place in arrival.places[Int(arrival.offsets[row])..<Int(arrival.offsets[row + 1])] {
        let task = taskOfPlace[place]
        if needs[task].last?.source == need.source { needs[task].removeLast() }
        needs[task].append(need)
      }
    }
  }

  /// A chunk of results needs the tasks that compute its summands.
  private func addFeeds(_ feeds: inout [[ExchangeWork.Feed]], of source: Rank, _ taskOfPlace: TaskOfPlace) {
    let plan = returns[source.index]
    for row in 0..<received.returnRowCounts[source.index] {
      let feed = ExchangeWork.Feed(source: source.index, chunk: row / chunkRows)
      for place in plan.positions[Int(plan.offsets[row])..<Int(plan.offsets[row + 1])] {
        let task = taskOfPlace[place]
        if feeds[task].last != feed { feeds[task].append(feed) }
      }
    }
  }
}

/// Which task computes a place among the experts' rows.
private struct TaskOfPlace {
  private var tasks: [Int32]

  init(_ rowTasks: [RowTask], placeCount: Int) {
    // Tasks begin and end at multiples of the alignment.
    tasks = Array(repeating: -1, count: placeCount / ReceivePlan.alignment)
    for (index, task) in rowTasks.enumerated() {
      for granule in task.rows.lowerBound / ReceivePlan.alignment..<task.rows.upperBound / ReceivePlan.alignment {
        tasks[granule] = Int32(index)
      }
    }
  }

  subscript(place: Int32) -> Int { Int(tasks[Int(place) / ReceivePlan.alignment]) }
}
