import Planning
import Testing
import Topology

@Suite("Who measures links with whom")
struct LinkProbePlanTests {
  private static let layouts: [[Int]] = [
    [1], [4], [1, 1], [2, 2], [3, 3, 3], [1, 2, 3], [5, 1], [1, 1, 1, 1, 1, 1, 1, 1],
  ]

  private func hosts(_ counts: [Int]) -> HostMap {
    HostMap(names: counts.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) })
  }

  @Test("both ends of a message know of it, and it is of the class that is measured", arguments: layouts)
  func ends(counts: [Int]) {
    let hosts = hosts(counts)
    for link in LinkClass.allCases {
      let plans = (0..<hosts.rankCount).map { LinkProbePlan(link, hosts: hosts, rank: $0) }
      for (rank, plan) in plans.enumerated() {
        #expect(plan.rounds.count == plans[0].rounds.count)
        for (number, round) in plan.rounds.enumerated() {
          for source in round.sources { #expect(plans[source].rounds[number].target == rank) }
          guard let target = round.target else { continue }
          #expect(plans[target].rounds[number].sources.contains(rank))
          #expect(target != rank && hosts.shareHost(rank, target) == (link == .sameHost))
        }
      }
    }
  }

  @Test(
    "every rank sends to one and receives from one where hosts are alike", arguments: [[1, 1], [2, 2], [3, 3, 3]])
  func evenHosts(counts: [Int]) {
    let hosts = hosts(counts)
    for rank in 0..<hosts.rankCount {
      let rounds = LinkProbePlan(.otherHost, hosts: hosts, rank: rank).rounds
      #expect(!rounds.isEmpty)
      for round in rounds { #expect(round.target != nil && round.sources.count == 1) }
    }
  }

  @Test("there is nothing to measure of a class that no two ranks are of")
  func absentClasses() {
    #expect(LinkProbePlan(.sameHost, hosts: hosts([1, 1, 1]), rank: 1).rounds.isEmpty)
    #expect(LinkProbePlan(.otherHost, hosts: hosts([3]), rank: 1).rounds.isEmpty)
    #expect(LinkProbePlan(.otherHost, hosts: hosts([1, 1]), rank: 1).rounds.map(\.target) == [0])
  }
}
