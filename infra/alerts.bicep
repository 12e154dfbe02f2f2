// Alerts on what p2c's telemetry says. Each names the template or the service.
param name string
param location string
param tags object
param workspaceId string

@description('Empty: nobody is mailed.')
param email string

@description('By template: lateAfterMinutes.')
param templates object

@description('False: no template is expected to run by itself, so none is late.')
param timersEnabled bool

param rejectedRowsThreshold int

@description('Minutes that a message may have been due before an alert is raised.')
param oldMessageMinutes int = 60

@description('Share of requests, or of operations in batches, answered with 429 above which an alert is raised.')
param throttledPercent int = 20

var lateTemplates = join(map(items(templates), template => '"${template.key}", ${template.value.lateAfterMinutes}'), ', ')

// measure: the query's column that is compared, empty for the number of rows.
// dimensions: the query's columns that name what an alert is about; each combination has its own.
// lookBack: what the query sees, where that is more than the window; two days are the most.
var rules = [
  {
    key: 'poison'
    title: 'Messages failed five times'
    description: 'p2c failed for a reason that it does not know. Rows are sent round again three times and then rejected as worker-failed. See "Problems by code" in the workbook, and "Poison messages" in docs/operations.md.'
    query: loadTextContent('queries/poison.kql')
    severity: 1
    window: 'PT15M'
    lookBack: 'PT15M'
    measure: 'Messages'
    dimensions: [
      'Template'
    ]
    threshold: 0
    enabled: true
  }
  {
    key: 'rejected'
    title: 'Many rows were rejected'
    description: 'The workbook has the reasons by code, python -m p2c rejected list the rows. Correct what the reason names, in Sales, in F&O or in a project; see "Rejected rows" in docs/operations.md.'
    query: loadTextContent('queries/rejected.kql')
    severity: 2
    window: 'PT1H'
    lookBack: 'PT1H'
    measure: 'Rejected'
    dimensions: [
      'Template'
    ]
    threshold: rejectedRowsThreshold
    enabled: true
  }
  {
    key: 'late'
    title: 'No execution has completed in time'
    description: 'The timer does not fire, each execution ends with Warning or Error, or one takes long. "Executions by status" in the workbook and python -m p2c status say which; see "Watch" in docs/deploy.md.'
    query: replace(loadTextContent('queries/late.kql'), '{templates}', lateTemplates)
    severity: 1
    window: 'PT15M'
    lookBack: 'P2D'
    measure: ''
    dimensions: [
      'Template'
    ]
    threshold: 0
    enabled: timersEnabled
  }
  {
    key: 'old-messages'
    title: 'Messages wait long on a queue'
    description: 'More changes than F&O takes, a service that is away, or functions that are disabled. python -m p2c status says which; see "A service is away or throttles" in docs/operations.md.'
    query: loadTextContent('queries/old-messages.kql')
    severity: 2
    window: 'PT30M'
    lookBack: 'PT30M'
    measure: 'OldestMinutes'
    dimensions: [
      'Template'
      'Queue'
    ]
    threshold: oldMessageMinutes
    enabled: true
  }
  {
    key: 'throttled'
    title: 'A service throttles'
    description: 'It answers many requests with 429. p2c leaves it alone as long as it asks, and nothing is lost. If it lasts, see what else loads the service, and in F&O the priority of p2c; "A service is away or throttles" in docs/operations.md.'
    query: loadTextContent('queries/throttled.kql')
    severity: 3
    window: 'PT30M'
    lookBack: 'PT30M'
    measure: 'ThrottledPercent'
    dimensions: [
      'Service'
    ]
    threshold: throttledPercent
    enabled: true
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'p2c'
    enabled: true
    emailReceivers: empty(email) ? [] : [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'alert-${rule.key}-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'p2c: ${rule.title}'
    description: rule.description
    severity: rule.severity
    enabled: rule.enabled
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: rule.window
    overrideQueryTimeRange: rule.lookBack == rule.window ? null : rule.lookBack
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: empty(rule.measure) ? 'Count' : 'Maximum'
          metricMeasureColumn: empty(rule.measure) ? null : rule.measure
          dimensions: map(rule.dimensions, dimension => {
            name: dimension
            operator: 'Include'
            values: [
              '*'
            ]
          })
          operator: 'GreaterThan'
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // A new workspace may not know the tables yet. `make test` checks the queries.
    skipQueryValidation: true
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}]
