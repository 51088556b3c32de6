using System.Security.Cryptography;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>A running guest moves to a second QEMU, and its card to a second <c>vireo net</c> on the same bridge, while iperf3 and a download run.</summary>
/// <remarks>
/// What comes is written to memory by the device alone, and TCP does not look again at what the device has vouched for: so the download has a
/// sum of its own.
/// </remarks>
[TakesLong(35)]
public sealed class MigrationTests : GuestTest
{
    private const string Bridge = "br0";
    private const string GuestMac = "52:54:00:00:00:09";

    /// <summary>Without the front-end's control queue for it, the guest does not announce itself: the back-end is asked to.</summary>
    private const string CardOptions = $",mac={GuestMac},guest_announce=off";

    private const string StartLoad = $"""
        ip address add 10.9.0.2/24 dev eth0
        ip link set eth0 up
        cp -r /host/iperf /dev/shm/iperf
        umount /host
        mkfifo /run/open
        # Its input stays open: it would hang up at the end of it.
        (nc {HostNetwork.Address4} 82 0<>/run/open | md5sum | cut -d' ' -f1 >/run/sum; touch /run/downloaded) </dev/null >/dev/null 2>&1 &
        # More than goes over in a millisecond: the move does not end before it is let.
        (
            while [ ! -e /run/stop ]; do dd if=/dev/urandom of=/dev/shm/churn bs=65536 count=16 conv=notrunc; done
        ) </dev/null >/dev/null 2>&1 &
        cd /dev/shm/iperf
        ./ld-linux-x86-64.so.2 --library-path . ./iperf3 -c {HostNetwork.Address4} -t 3600 -b 20M --forceflush >/run/iperf 2>&1 </dev/null &
        echo $! >/run/iperf.pid
        """;

    [Fact]
    public void RunningGuestKeepsItsConnections()
    {
        string first = InScratch("first.sock");
        string second = InScratch("second.sock");
        var network = HostNetwork.Start(RunProgram, StartProgram, InScratch("www"), "--vhost-user", first);
        network.MakeBridge(Bridge);
        network
            .StartInside(Repository.VireoProgram, "net", "--tap", "vtap1", "--bridge", Bridge, "--vhost-user", second)
            .WaitForOutput("ready", RigTimeouts.Program);
        ChildProcess server = network.StartInside(
            GuestArtifacts.Program("nettools", "iperf3"),
            "-s",
            "-1",
            "--forceflush"
        );
        server.WaitForOutput("listening", RigTimeouts.Program);
        ChildProcess ears = network.StartInside(
            GuestArtifacts.Program("nettools", "tcpdump"),
            ["-Z", "root", "-n", "-l", "-e", "-i", Bridge, "rarp"]
        );
        Guest source = BootGuest(Command(first));
        Guest target = StartGuest(Command(second).With("-incoming", $"unix:{InScratch("move.sock")}"));
        target.Monitor.Execute("query-status");
        using EndlessDownload download = new(network, RunProgram, InScratch("download"));
        CopyIperf(Path.Combine(source.HostFolder, "iperf"));

        source.Run(StartLoad);
        WaitForReports(source, 2);
        source.Monitor.Execute("migrate-set-parameters", "{\"max-bandwidth\":40000000,\"downtime-limit\":1}");
        source.Monitor.Execute("migrate", $"{{\"uri\":\"unix:{InScratch("move.sock")}\"}}");
        Migration.WaitUntilSecondPass(source);
        long before = download.SentBytes;
        source.Monitor.Execute("migrate-set-parameters", "{\"downtime-limit\":2000}");
        Migration.WaitUntil(source, "completed");
        source.Kill();

        Assert.Contains(GuestMac, ears.WaitForOutput("Reverse", RigTimeouts.Program), StringComparison.Ordinal);
        target.Run("touch /run/stop");
        WaitForReports(target, 2);
        Assert.True(SpinWait.SpinUntil(() => download.SentBytes > before + (4 << 20), RigTimeouts.Program));
        string sum = download.End();
        target.RunTap(
            $"""
            for try in $(seq 600); do [ ! -e /run/downloaded ] || break; sleep 0.1; done
            is "the download" "$(cat /run/sum)" {sum}
            is "iperf3 has connected once" "$(grep -c ' connected to ' /run/iperf)" 1
            check "iperf3 ends when it is told to" kill -INT "$(cat /run/iperf.pid)"
            for try in $(seq 600); do grep -q receiver /run/iperf && break; sleep 0.1; done
            check "and has sent until then" grep 'sender' /run/iperf
            is "the kernel saw no error" "$(dmesg | grep -cE 'Bad page|BUG:|Oops')" 0
            done_testing
            """
        );
        target.PowerOff();
    }

    private static QemuCommand Command(string socket) =>
        new QemuCommand(GuestConfiguration.Default with { MemoryMegabytes = 192 })
        {
            HasUserland = false,
            // Zeros that a processor writes to each new page would bring it over, whatever the device records.
            KernelWords = "init_on_alloc=0",
        }.WithVhostUserNet(socket, CardOptions);

    /// <summary>iperf3 with all it needs, for a guest without a userland.</summary>
    private static void CopyIperf(string folder)
    {
        string[] libraries =
        [
            "libiperf.so.0",
            "libcrypto.so.3",
            "libsctp.so.1",
            "libc.so.6",
            "libm.so.6",
            "libz.so.1",
            "libzstd.so.1",
        ];
        string component = GuestArtifacts.Component("nettools");
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(component, "usr/bin/iperf3"), Path.Combine(folder, "iperf3"));
        File.Copy(
            Path.Combine(component, "usr/lib64/ld-linux-x86-64.so.2"),
            Path.Combine(folder, "ld-linux-x86-64.so.2")
        );
        foreach (string name in libraries)
        {
            File.Copy(Path.Combine(component, "usr/lib/x86_64-linux-gnu", name), Path.Combine(folder, name));
        }
    }

    /// <summary>Waits until iperf3 has reported some more seconds in which something was sent.</summary>
    private static void WaitForReports(Guest guest, int count) =>
        guest.Run(
            $$"""
            reports() { grep 'sec ' /run/iperf | grep -vc ' 0.00 Bytes'; }
            wanted=$(($(reports) + {{count}}))
            until [ "$(reports)" -ge $wanted ]; do
                kill -0 "$(cat /run/iperf.pid)" || break
                sleep 0.2
            done
            cat /run/iperf
            [ "$(reports)" -ge $wanted ]
            """
        );

    /// <summary>A server of one download that ends when it is told to.</summary>
    private sealed class EndlessDownload : IDisposable
    {
        private const int ChunkBytes = 64 * 1024;

        /// <summary>Makes three megabytes a second: enough for a dirty log, and an emulated guest has time for other things.</summary>
        private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

        private readonly string _fifo;
        private readonly Thread _sender;
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        private volatile bool _isEnding;
        private long _sentBytes;

        public EndlessDownload(HostNetwork network, Func<string, string[], string> run, string fifo)
        {
            _fifo = fifo;
            run("mkfifo", [fifo]);
            network.StartInside(
                "/bin/sh",
                "-c",
                $"exec {GuestArtifacts.Program("nettools", "busybox")} nc -l -p 82 <{fifo}"
            );
            _sender = new Thread(Send) { IsBackground = true };
            _sender.Start();
        }

        public long SentBytes => Volatile.Read(ref _sentBytes);

        /// <summary>Ends it.</summary>
        /// <returns>The MD5 sum of all that was sent.</returns>
        public string End()
        {
            _isEnding = true;
            _sender.Join();
            return Convert.ToHexStringLower(_hash.GetHashAndReset());
        }

        public void Dispose()
        {
            _isEnding = true;
            _hash.Dispose();
        }

        private void Send()
        {
            try
            {
                // Opens when the server does.
                using FileStream stream = new(_fifo, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
                byte[] chunk = new byte[ChunkBytes];
                while (!_isEnding)
                {
                    RandomNumberGenerator.Fill(chunk);
                    stream.Write(chunk);
                    _hash.AppendData(chunk);
                    Volatile.Write(ref _sentBytes, _sentBytes + chunk.Length);
                    Thread.Sleep(Pause);
                }
            }
            catch (Exception failure) when (failure is IOException or ObjectDisposedException)
            {
                // The server is gone: whoever waits for the download notices.
            }
        }
    }
}
