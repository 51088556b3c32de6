using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Homes.Loops;
using Vireo.Linux.Events;

namespace Vireo.Tests.Homes.Loops;

public sealed class CallBridgeTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void HandleOf_NoCallOrOneThatIsADescriptor_IsThatOne()
    {
        using CallBridge bridge = new();
        using var descriptor = EventFd.Create();

        Assert.Null(bridge.HandleOf(0, null));
        Assert.Same(descriptor.Handle, bridge.HandleOf(0, new EventFdSignal(descriptor)));
    }

    [Fact]
    public void Call_ThatIsNoDescriptor_IsNotifiedOfWhatComesThroughOne()
    {
        using CallBridge bridge = new();
        Counter first = new();
        Counter second = new();

        SafeFileHandle handle = bridge.HandleOf(0, first)!;
        Signal(bridge.HandleOf(1, second)!);

        Assert.True(SpinWait.SpinUntil(() => second.Count == 1, Patience));
        Assert.Equal(0, first.Count);
        Signal(handle);
        Assert.True(SpinWait.SpinUntil(() => first.Count == 1, Patience));
    }

    [Fact]
    public void Forget_PassesOnWhatCameBeforeAndNothingAfter()
    {
        using CallBridge bridge = new();
        Counter before = new();
        Counter after = new();
        SafeFileHandle handle = bridge.HandleOf(0, before)!;
        Signal(handle);

        bridge.Forget(0);
        Assert.Equal(1, before.Count);
        Signal(handle);

        // The same descriptor serves the queue's next call.
        Assert.Same(handle, bridge.HandleOf(0, after));
        Signal(handle);
        Assert.True(SpinWait.SpinUntil(() => after.Count > 0, Patience));
        Assert.Equal(1, before.Count);
    }

    [Fact]
    public void Dispose_WithoutOrWithCalls_EndsTheThread()
    {
        CallBridge unused = new();
        unused.Forget(3);
        unused.Dispose();
        CallBridge used = new();
        SafeFileHandle handle = used.HandleOf(0, new Counter())!;

        used.Dispose();

        Assert.True(handle.IsClosed);
    }

    // The descriptor stays the bridge's: it is not disposed here.
    private static void Signal(SafeFileHandle handle) => EventFd.Wrap(handle).Signal();

    private sealed class Counter : ISignal
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public void Notify() => Interlocked.Increment(ref _count);
    }
}
