using System.Diagnostics;
using Vireo.Core.Spec;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Vireo.Linux;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Base of the tests that drive back-ends which others wrote.</summary>
public abstract class PeerTest : StorageDaemonTest
{
    /// <summary>Starts a back-end, and waits until its socket is there.</summary>
    protected void StartPeer(string socket, string program, params string[] arguments)
    {
        ChildProcess daemon = StartProgram(program, arguments);
        Assert.True(
            SpinWait.SpinUntil(() => File.Exists(socket) || daemon.HasExited, RigTimeouts.Program) && !daemon.HasExited,
            $"{Path.GetFileName(program)} does not start"
        );
    }

    /// <summary>Connects to a back-end; its socket may be there a moment before it listens.</summary>
    protected static VhostUserProxy ConnectProxy(string socket, DeviceType type, VhostUserProxyOptions options)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return VhostUserProxy.Connect(socket, type, options);
            }
            catch (LinuxException exception)
                when (exception.Error == Errno.ECONNREFUSED && Stopwatch.GetElapsedTime(start) < RigTimeouts.Program)
            {
                Thread.Sleep(10);
            }
        }
    }
}
