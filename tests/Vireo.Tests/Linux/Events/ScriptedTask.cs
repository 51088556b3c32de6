using Vireo.Linux.Events;

namespace Vireo.Tests.Linux.Events;

/// <summary>A task whose turns and arming the test decides, and that counts both.</summary>
internal sealed class ScriptedTask(Func<bool> run, Func<bool>? arm = null) : LoopTask
{
    public int Turns { get; private set; }

    public int Arms { get; private set; }

    protected internal override bool Run()
    {
        Turns++;
        return run();
    }

    protected internal override bool TryArm()
    {
        Arms++;
        return arm?.Invoke() ?? true;
    }
}
