using System.Diagnostics;
using Vireo.Devices.Net;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Two cards that send each other numbered frames, of which none may be missing, changed, twice or out of order.</summary>
/// <param name="left">The one that begins.</param>
/// <param name="leftAddress">Its address.</param>
/// <param name="right">The one that sends back what comes.</param>
/// <param name="rightAddress">Its address.</param>
internal sealed class Conversation(Card left, MacAddress leftAddress, Card right, MacAddress rightAddress)
{
    /// <summary>So few are under way that nobody between the two has to drop one.</summary>
    private const int UnderWayMax = 16;

    /// <summary>In place of the number of a frame that only asks whether the way is open.</summary>
    private const ulong Greeting = ulong.MaxValue;

    /// <summary>Greets until it is answered, then sends so many frames there and back.</summary>
    public void Hold(ulong frames)
    {
        Greet(left, leftAddress, right, rightAddress);
        Greet(right, rightAddress, left, leftAddress);
        Exchange(frames);
    }

    /// <summary>Until it gets through: ports are not up at once.</summary>
    private static void Greet(Card from, MacAddress source, Card to, MacAddress destination)
    {
        long start = Stopwatch.GetTimestamp();
        ulong number = 0;
        while (number != Greeting)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < RigTimeouts.Program, $"nothing comes from {source}");
            from.Send(NumberedFrame.Make(destination, source, Greeting));
            while (
                number != Greeting
                && to.Receive(TimeSpan.FromMilliseconds(50)) is { } frame
                && NumberedFrame.TryRead(frame, out number)
            )
            {
                Assert.Equal(Greeting, number);
            }
        }
    }

    private void Exchange(ulong frames)
    {
        long start = Stopwatch.GetTimestamp();
        ulong sent = 0;
        ulong forth = 0;
        ulong back = 0;
        while (back < frames)
        {
            while (sent < frames && sent - back < UnderWayMax)
            {
                left.Send(NumberedFrame.Make(rightAddress, leftAddress, sent++));
            }

            forth += Take(right, forth, number => right.Send(NumberedFrame.Make(leftAddress, rightAddress, number)));
            back += Take(left, back, static _ => { });
            Assert.True(
                Stopwatch.GetElapsedTime(start) < RigTimeouts.Program,
                $"of {sent} frames {forth} came and {back} came back"
            );
        }
    }

    /// <summary>Takes the next frame, if it comes soon.</summary>
    /// <returns>How many have come: 1 or 0.</returns>
    private static ulong Take(Card card, ulong expected, Action<ulong> then)
    {
        if (
            card.Receive(TimeSpan.FromMilliseconds(1)) is not { } frame
            || !NumberedFrame.TryRead(frame, out ulong number)
            || number == Greeting
        )
        {
            return 0;
        }

        Assert.Equal(expected, number);
        then(number);
        return 1;
    }
}
