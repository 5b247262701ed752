package import Topology

/// How much longer an exchange takes by way of relays than with a message from every rank to every other one.
///
/// Both bring the same bytes over the links between hosts. With R ranks on each of H hosts a rank sends R·(H − 1) messages
/// of each kind to other hosts directly; with relays H − 1 to its relays and, being the relay for (H − 1)/R hosts, as many
/// to other hosts and R times as many to its neighbours. For that, rows are copied inside the host three times more: to
/// the relay, there by receiver, and from the relay.
package struct RelayCost: Hashable, Sendable {
  package let machine: MachineModel
  /// Of an expert-parallel group. R is the most ranks of any: hosts with fewer are counted as if they had as many.
  package let hosts: HostMap

  package init(_ hosts: HostMap, machine: MachineModel) {
    self.machine = machine
    self.hosts = hosts
  }

  /// Seconds that one transfer of one kind takes longer; less than 0 where relays win.
  ///
  /// - Parameters:
  ///   - byteCount: what a rank sends to ranks of other hosts.
  ///   - chunkByteCount: of a message at most, where it goes directly.
  package func seconds(byteCount: Double, chunkByteCount: Double) -> Double {
    let (r, others) = (Double(hosts.mostRanksOfHost), Double(hosts.hostCount - 1))
    let direct = max(r * others, byteCount / chunkByteCount)
    let near = others + others / r * (r - 1)
    // A message costs a processor at both of its ends.
    let messages =
      2 * (near * machine.sameHost.messageSeconds + (others / r - direct) * machine.otherHost.messageSeconds)
    let copies = 2 * byteCount / machine.sameHost.bytesPerSecond + byteCount / machine.copyBytesPerSecond
    return messages + copies + 2 * machine.sameHost.latencySeconds
  }

  /// Seconds that the exchanges of one pass of a layer take longer: manifests, rows and results forward; rows, results and
  /// gate gradients backward, of which only rows and results are long.
  ///
  /// - Parameters:
  ///   - traffic: of the group that the hosts are of.
  ///   - rowByteCount: of a token.
  ///   - chunkRows: rows of a message at most, where it goes directly.
  package func passSeconds(_ traffic: ExchangeTraffic, rowByteCount: Double, chunkRows: Int) -> Double {
    let rows = (0..<hosts.rankCount).map { rank in
      (0..<hosts.rankCount).reduce(0.0) { sum, peer in
        hosts.shareHost(rank, peer) ? sum : sum + Double(traffic.rows[traffic.pair(from: rank, to: peer)])
      }
    }
    let chunkByteCount = rowByteCount * Double(chunkRows)
    let long = seconds(byteCount: rowByteCount * (rows.max() ?? 0), chunkByteCount: chunkByteCount)
    return 2 * long + seconds(byteCount: 0, chunkByteCount: chunkByteCount)
  }
}
